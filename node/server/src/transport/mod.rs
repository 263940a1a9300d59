//! The transport: HTTP/2 and gRPC framing, and no message of `shoal.v1`.
//!
//! hyper serves each connection, over a socket whose writes are gathered
//! (`coalesce`). Unary calls are framed by hand (`unary`), streams by tonic.
//! Requests for the cache go to the [`service`](crate::service) as bytes, the
//! others to health and reflection (`standard`).

mod body;
mod coalesce;
mod codec;
mod connection;
mod dispatch;
mod executor;
mod gather;
mod listener;
mod standard;
mod status;
mod timeout;
mod unary;

pub(crate) use codec::RawCodec;
pub(crate) use listener::{Listener, serve};
pub(crate) use standard::Standard;
pub(crate) use status::DOMAIN;
