//! Fill leases, as far as they are the node's: who holds and who waits over which
//! connection, and the time.
//!
//! ```text
//! caller    what one connection holds; at its end that passes on
//! grant     a token on its way to the caller
//! parked    a caller that waits for another's load
//! relay     callers that wait for a load at another node
//! ends      looks at the time, once for all leases
//! ```
//!
//! The leases themselves are in the engine, under the partition's lock. A request with
//! `fill` is answered by [`crate::service`].
//!
//! Invariant: whatever was given or waits belongs to a value whose end gives it back. So
//! a request that is reset, or a connection that is lost, holds up nobody.

mod caller;
mod ends;
mod grant;
mod parked;
mod relay;

pub(crate) use caller::{Caller, Elsewhere};
pub(crate) use ends::end_in_time;
pub(crate) use grant::Grant;
pub(crate) use parked::Parked;
pub(crate) use relay::{Next, Relay};
