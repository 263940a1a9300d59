//! The transport: HTTP/2 and gRPC framing, and no message of `shoal.v1`.
//!
//! hyper serves each connection, over a socket whose writes are gathered
//! ([`coalesce`]); tonic frames messages. Requests for the cache go to the
//! [`service`](crate::service) as bytes, the others to health and reflection.

mod coalesce;
mod codec;
mod connection;
mod dispatch;
mod executor;
mod listener;
mod standard;
mod status;

pub(crate) use codec::RawCodec;
pub(crate) use listener::{Listener, serve};
pub(crate) use standard::Standard;
pub(crate) use status::DOMAIN;
