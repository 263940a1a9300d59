//! Fill leases: of all who miss a key at once, one loads and the others wait for it.
//!
//! ```text
//! lease      who may load a key, until when, and who waits for that, in order
//! leases     those of one partition, by key
//! token      by which the one who loads is known
//! terms      what a caller asks for, and what it is told
//! early      which value is due to be refreshed, though there is one
//! crowd      how many there are on the node, over all partitions, and the alarm
//! parting    what an operation does to the lease of its key
//! surface    what the engine's callers call
//! ```
//!
//! Everything here happens under the partition's lock, in one order with its writes: a
//! token is good if and only if nothing was written to the key since the miss that it
//! was given for, no tag of what is stored was invalidated since, and its time is not over.
//!
//! # Values that are there
//!
//! One that is past its fresh time, or nearly, is served to all, and one of them is given a
//! token besides, to load the next. The others do not wait, unless they ask for nothing but
//! a fresh value. Where the origin fails that one, the lease rests: until then nobody else
//! tries, and the value is served as before. Who finds no value does not wait for that. How
//! long a load took, from the token to the value, is kept with the value.
//!
//! # What ends a lease
//!
//! - A value comes, by whomever: everyone who waits looks again.
//! - A delete: what was read before it must not be stored after it. The token is void and
//!   the next in line is given another.
//! - Its time is over, it is given back, or whoever held it is gone: likewise.
//! - The copy is primary no more, or under another epoch: everyone looks elsewhere.
//!
//! # Invariants
//!
//! - A key has one lease, or none. A token is given to one caller, ever.
//! - Who waits does so until it is woken: nobody polls by time. Who was woken is either
//!   given the token or is on no list any more. Wakers are called behind no lock.
//! - Who leaves after being given the token, before taking it, passes it on.
//! - Leases and those who wait are bounded in number, and charged to the ledger before
//!   they are there. A partition without a lease pays a comparison for each write, and
//!   nothing for a read.
//!
//! # Non-goals
//!
//! Until when a caller waits (it leaves by itself), connections, other nodes.

mod crowd;
mod early;
mod lease;
mod leases;
mod parting;
mod surface;
mod terms;
mod token;

pub use crowd::FillCounts;
pub use early::early_permille;
pub use terms::{FillAsk, FillBounds, Filled, Full, Turn};
pub use token::FillToken;

pub(crate) use crowd::Crowd;
pub(crate) use lease::Woken;
pub(crate) use leases::Leases;

/// No lease ends.
pub(crate) const NEVER_MS: u64 = u64::MAX;
