//! TLS of one node: as a server of its listener, and as a client of other nodes. It shows
//! the same certificate as both.
//!
//! What is read from files comes as bytes ([`TlsFiles`]) and can be replaced at any time:
//! connections that are made from then on get it, those that stand keep what they have.
//!
//! Nothing is resumed: each connection shows and checks certificates anew, so that none
//! lives on by a ticket that was given under an authority trusted no longer. Connections
//! are few and long.
//!
//! ```text
//! files   certificate, key and authority, from PEM to what rustls takes
//! names   whom a certificate names
//! ```
//!
//! Non-goals: lists of revoked certificates (let them be short-lived), and files: whoever
//! hands the bytes over reads and watches them.

mod files;
mod names;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::access::Caller;

pub use files::{BadTls, TlsFiles};

/// HTTP/2, as gRPC asks for.
const PROTOCOL: &[u8] = b"h2";

/// See the module.
pub(crate) struct Tls(ArcSwap<Ends>);

/// What a connection is made with.
struct Ends {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Tls {
    pub(crate) fn new(files: &TlsFiles) -> Result<Tls, BadTls> {
        Ok(Tls(ArcSwap::from_pointee(files.ends()?)))
    }

    /// From the next connection on. After an error nothing has changed.
    pub(crate) fn replace(&self, files: &TlsFiles) -> Result<(), BadTls> {
        self.0.store(Arc::new(files.ends()?));
        Ok(())
    }

    /// Let a client begin TLS. Its time is to be bounded by who calls.
    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
    ) -> io::Result<(server::TlsStream<TcpStream>, Caller)> {
        let acceptor = TlsAcceptor::from(self.0.load().server.clone());
        let stream = acceptor.accept(socket).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let caller = match shown.and_then(<[_]>::first) {
            Some(certificate) => Caller {
                names: names::of(certificate).into(),
                is_verified: true,
            },
            None => Caller::default(),
        };
        Ok((stream, caller))
    }

    /// Begin TLS with a server that must be the host of this address, HOST:PORT.
    pub(crate) async fn connect(
        &self,
        address: &str,
        socket: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let no_host = || io::Error::new(io::ErrorKind::InvalidInput, "it names no host");
        let host = names::host(address).ok_or_else(no_host)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| no_host())?;
        let connector = TlsConnector::from(self.0.load().client.clone());
        connector.connect(name, socket).await
    }
}
