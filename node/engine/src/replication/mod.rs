//! Replication: what makes one partition's data the same on several nodes.
//!
//! A primary keeps a bounded [`mod@log`] of what it applied, each operation as an encoded
//! [`mod@record`]. A follower is sent the log, or a [`mod@snapshot`] and the log, in
//! [`mod@batch`]es, and takes them in ([`mod@intake`]). Its place is a [`mod@position`];
//! the [`mod@lineage`] tells whether that place lies on the primary's own past.
//! [`mod@recent`] remembers what requests with an id came to. [`mod@roles`] opens, promotes,
//! demotes and discards; [`mod@share`] says who gives memory where both roles are here.
//!
//! # Invariants
//!
//! - Numbered operations (a value stored, a delete, a new time to live) follow each other
//!   without gaps, on the primary, in its log, and on the follower, which keeps the
//!   primary's numbers. What was evicted or expired is told between them, unnumbered:
//!   losing or repeating that is harmless.
//! - A snapshot and the log that goes with it are one sequence, read under the partition's
//!   lock: what a chunk holds is as of all the log before it. So nothing that was deleted
//!   comes back, and no tombstones are needed.
//! - A follower removes nothing because of time, and evicts only where memory is short. It
//!   hides what has expired.
//! - Bytes from outside are an error or mean something. They never panic, and what they
//!   claim to be long allocates nothing.
//!
//! # Non-goals
//!
//! Streams, acknowledgements, who may be primary: the crate `shoal-replication`, the server
//! and the agent.

mod batch;
mod intake;
mod kept;
mod lineage;
mod log;
mod position;
mod reading;
mod recent;
mod record;
mod roles;
mod share;
mod snapshot;
mod wire;

pub use intake::Applied;
pub use position::{Position, Role};
pub use reading::{Join, LogCursor, Sent};
pub use recent::{Once, RequestId};
pub use snapshot::{SnapshotCursor, SnapshotSent};

pub(crate) use intake::Restore;
pub(crate) use lineage::Lineage;
pub(crate) use log::Log;
pub(crate) use recent::{Aim, Recent};
pub(crate) use share::{Giver, Share};

/// Sequences are below this, so that adding to one never overflows.
pub(crate) const SEQUENCE_LIMIT: u64 = 1 << 62;
