//! The transport: HTTP/2 and gRPC framing, and no message of `shoal.v1`.
//!
//! ```text
//! listener     takes connections
//! connection   one of them: reads, writes, the time (`vigil`)
//! session      gRPC on it: which call a stream is, and its answer
//!   route      from a head to who answers
//!   framing    messages in a stream of bytes
//!   call       what is kept with each stream
//!   execute    the stream of batches
//!   guest      calls of the standard services, which tonic serves (`standard`)
//!   pending    what is waited for
//!   patience   what waits for its turn, or takes too long
//!   ledger     how much is held
//! status, timeout   as gRPC writes them
//! ```
//!
//! HTTP/2 itself is in the crate `shoal-http2`. Requests for the cache go to the
//! [`service`](crate::service) as bytes.

mod call;
mod codec;
mod connection;
mod execute;
mod framing;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guest;
mod ledger;
mod listener;
mod patience;
mod pending;
mod route;
mod session;
mod standard;
mod status;
mod timeout;
mod vigil;

pub(crate) use codec::RawCodec;
pub(crate) use framing::PREFIX_BYTES;
pub(crate) use listener::{Listener, serve};
pub(crate) use standard::Standard;
pub(crate) use status::{DOMAIN, status};
