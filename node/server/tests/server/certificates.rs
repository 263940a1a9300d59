//! Authorities, what they sign, and clients that show it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shoal_server::TlsFiles;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower_service::Service;

/// What every node of these tests is called by.
pub(crate) const HOST: &str = "127.0.0.1";

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for these names, of a node that trusts this authority.
    pub(crate) fn files(&self, names: &[&str]) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        TlsFiles {
            certificate: params.signed_by(&key, &self.0).unwrap().pem().into(),
            key: key.serialize_pem().into(),
            authority: self.0.pem().into(),
            requires_certificate: false,
        }
    }

    /// A client that trusts this authority, and shows this or nothing.
    pub(crate) fn client(&self, shown: Option<&TlsFiles>) -> Connector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => config.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_slice(&files.key).unwrap();
                config.with_client_auth_cert(vec![der(files)], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Connector(Arc::new(config))
    }
}

pub(crate) fn der(files: &TlsFiles) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&files.certificate).unwrap()
}

/// Connects over TLS.
#[derive(Clone)]
pub(crate) struct Connector(Arc<ClientConfig>);

impl Connector {
    pub(crate) async fn connect(&self, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(address).await?;
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(self.0.clone())
            .connect(name, socket)
            .await
    }

    pub(crate) async fn channel(&self, address: &str) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        endpoint.connect_with_connector(self.clone()).await
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let address = uri.authority().unwrap().to_string();
            connector.connect(&address).await.map(TokioIo::new)
        })
    }
}
