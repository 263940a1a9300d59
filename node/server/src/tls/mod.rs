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
//! files        certificate, key and authority, from PEM to what rustls takes
//!   usable     whether the certificate is one for a node
//! names        whom a certificate names
//! handshakes   how they went
//! ```
//!
//! Non-goals: lists of revoked certificates (let them be short-lived), and files: whoever
//! hands the bytes over reads and watches them.

mod files;
mod handshakes;
mod names;
mod usable;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::access::Caller;
use crate::tls::handshakes::Handshakes;

pub use files::{BadTls, TlsFiles};
pub use handshakes::HandshakesTold;

/// HTTP/2, as gRPC asks for.
const PROTOCOL: &[u8] = b"h2";

/// See the module.
pub(crate) struct Tls {
    ends: ArcSwap<Ends>,
    /// With callers.
    accepted: Handshakes,
    /// With other nodes.
    made: Handshakes,
}

/// What a connection is made with.
struct Ends {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Tls {
    pub(crate) fn new(files: &TlsFiles) -> Result<Tls, BadTls> {
        Ok(Tls {
            ends: ArcSwap::from_pointee(files.ends()?),
            accepted: Handshakes::default(),
            made: Handshakes::default(),
        })
    }

    /// From the next connection on. After an error nothing has changed.
    pub(crate) fn replace(&self, files: &TlsFiles) -> Result<(), BadTls> {
        self.ends.store(Arc::new(files.ends()?));
        Ok(())
    }

    /// Handshakes with callers, and with other nodes.
    pub(crate) fn told(&self) -> [(&'static str, HandshakesTold); 2] {
        [
            ("accepted", self.accepted.told()),
            ("made", self.made.told()),
        ]
    }

    /// Let a client begin TLS, until then.
    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
        until: Instant,
    ) -> io::Result<(server::TlsStream<TcpStream>, Caller)> {
        let peer = socket.peer_addr().map(|it| it.ip().to_string());
        let acceptor = TlsAcceptor::from(self.ends.load().server.clone());
        let accepted = timeout_at(until, acceptor.accept(socket)).await;
        let accepted = accepted.unwrap_or_else(|late| Err(late.into()));
        self.accepted.note(&peer.unwrap_or_default(), &accepted);
        let stream = accepted?;
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

    /// Begin TLS with a server that must be the host of this address, HOST:PORT. Its time is to
    /// be bounded by who calls.
    pub(crate) async fn connect(
        &self,
        address: &str,
        socket: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let no_host = || io::Error::new(io::ErrorKind::InvalidInput, "it names no host");
        let host = names::host(address).ok_or_else(no_host)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| no_host())?;
        let connector = TlsConnector::from(self.ends.load().client.clone());
        let connected = connector.connect(name, socket).await;
        self.made.note(address, &connected);
        connected
    }
}
