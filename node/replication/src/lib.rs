//! How a node's copies of partitions follow each other, catch up, and acknowledge.
//! No I/O, no clock, no threads, no randomness of its own: messages, time and fresh copy
//! ids are arguments, so that a server, a simulation and a test drive the same code.
//!
//! # What is what
//!
//! - A **hub** ([`Hub`]) a node: what each of its partitions is here, which copies must
//!   acknowledge, how far they have come, and who waits for that.
//! - A **source** ([`Source`]) a stream: the primary's end. It reads the engine's log, or
//!   a snapshot, whenever the stream can take a message.
//! - A **sink** ([`Sink`]) a peer: the follower's end. It asks, applies, acknowledges, and
//!   asks anew where something does not fit.
//!
//! ```text
//! write ─► engine ─► Hub::written ─► wakes ─► Source::next ─► batches ─► Sink::receive ─► engine
//!                    Hub::wait   ◄─ wakes ◄─ Source::receive ◄─ applied ◄─ Sink::next
//! ```
//!
//! # Invariants
//!
//! - A write counts as committed when every *required* copy has acknowledged it. A copy is
//!   a node and a copy id: what a node acknowledged before it lost its data counts for
//!   nothing afterwards. So does what was acknowledged under another epoch.
//! - Nothing of an epoch that a copy knows to be over is applied to it, and no order of
//!   its primary is obeyed.
//! - A copy takes a new id before it drops anything. No copy is asked to drop what it has
//!   while it is required: the in-sync set must be changed first.
//! - Nothing is queued for a follower. What it has not taken yet lies in the engine's log,
//!   which is bounded; a follower that falls behind it starts anew with a snapshot.
//!
//! # Non-goals
//!
//! Who is primary, who is required, who is promoted (the agent decides); leases; bytes on
//! a wire; what a record looks like (the engine).
#![forbid(unsafe_code)]
#![allow(rustdoc::private_intra_doc_links)]

mod allowance;
mod bounds;
mod bucket;
mod copy;
mod hub;
#[cfg(feature = "mutants")]
pub mod mutants;
#[cfg(not(feature = "mutants"))]
mod mutants;
mod next;
mod sink;
mod source;
mod stream;
mod sync;

pub use bounds::Bounds;
pub use copy::Copy;
pub use hub::{
    FollowerStatus, Hub, NotServed, PartitionStatus, Refusal, Reservation, TooFewCopies, Traffic,
    Unmet, Wait,
};
pub use next::Next;
pub use sink::Sink;
pub use source::{BUDGET_BYTES, Hostile, Source};
