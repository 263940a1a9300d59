//! Certificate, key and authority, from PEM to what rustls takes.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{Ends, PROTOCOL, usable};

/// The contents of the files, all of them PEM.
#[derive(Clone)]
pub struct TlsFiles {
    /// The node's own certificate, and those between it and the authority.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Who signs the certificates of other nodes, and of clients that show one.
    pub authority: Vec<u8>,
    /// Whether each client must show one.
    pub requires_certificate: bool,
}

impl fmt::Debug for TlsFiles {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("requires_certificate", &self.requires_certificate)
            .finish_non_exhaustive()
    }
}

/// Why they cannot be used, and what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTls(String);

impl BadTls {
    pub(crate) fn new(sentence: &str) -> BadTls {
        BadTls(sentence.into())
    }
}

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadTls {}

type Chain = Vec<CertificateDer<'static>>;

impl TlsFiles {
    pub(super) fn ends(&self) -> Result<Ends, BadTls> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates("the certificate", &self.certificate)?;
        let key = self.key()?;
        let roots = Arc::new(self.roots()?);
        if let Some(fault) = usable::fault(&chain, &roots, UnixTime::now()) {
            return Err(BadTls::new(fault));
        }
        Ok(Ends {
            server: Arc::new(self.server(&provider, &roots, chain.clone(), key.clone_key())?),
            client: Arc::new(client(&provider, &roots, chain, key)?),
        })
    }

    fn server(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: &Arc<RootCertStore>,
        chain: Chain,
        key: PrivateKeyDer<'static>,
    ) -> Result<ServerConfig, BadTls> {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let verifier = if self.requires_certificate {
            verifier
        } else {
            verifier.allow_unauthenticated()
        };
        let verifier = verifier
            .build()
            .map_err(|error| BadTls(format!("the authority cannot be used: {error}")))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(server)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, BadTls> {
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            let sentence = "the key's file holds no private key that can be read: take one in \
                            PEM, PKCS#8 best, without a passphrase";
            BadTls(sentence.into())
        })
    }

    fn roots(&self) -> Result<RootCertStore, BadTls> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("the authority", &self.authority)? {
            roots
                .add(certificate)
                .map_err(|error| BadTls(format!("the authority cannot be used: {error}")))?;
        }
        Ok(roots)
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: Chain,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, BadTls> {
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(chain, key)
        .map_err(unusable)?;
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    client.resumption = rustls::client::Resumption::disabled();
    Ok(client)
}

fn certificates(what: &str, pem: &[u8]) -> Result<Chain, BadTls> {
    let read: Result<Chain, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(BadTls(format!(
            "{what}'s file holds no certificate: take one in PEM"
        ))),
        Err(error) => Err(BadTls(format!("{what}'s file is no PEM: {error}"))),
    }
}

fn unusable(error: rustls::Error) -> BadTls {
    BadTls(match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key does not belong to the certificate: take the two that were made together"
                .into()
        }
        other => format!("the certificate or its key cannot be used: {other}"),
    })
}
