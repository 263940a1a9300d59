//! Tags: what makes all entries that carry one invisible at once, however many they are.
//!
//! ```text
//! table      for each tag that was invalidated, by which operation last
//! check      whether an entry is still to be shown, or a load still to be stored
//! sweep      takes entries out that are void, and forgets what nothing needs any more
//! ```
//!
//! An invalidation is an operation of its partition, with the next sequence; it is told in
//! the log, in order, so that every copy comes to the same. It touches no entry: an entry
//! is void if one of its tags was invalidated by a later operation than the one that stored
//! it. Sequences go on over epochs, so that holds after a failover too.
//!
//! Tags are kept as they are, not as hashes: two that collide would take each other's
//! entries. They are found by the keyed hash of the tables.
//!
//! # What may be forgotten
//!
//! Say `v(t)` is the last operation that invalidated tag `t`, and `r(t)` what the table
//! knows: the larger of `t`'s record, if it has one, and the floor. Two things must hold of
//! every `t`, and then no read and no fill is answered otherwise than by `v` itself, but
//! that some may be refused needlessly:
//!
//! 1. every entry here that carries `t` and was stored before `v(t)` was also stored before
//!    `r(t)`: it is void by the table too;
//! 2. every token that was given before `v(t)` was also given before `r(t)`.
//!
//! `r(t) = v(t)` where it was recorded. Each way to forget keeps both:
//!
//! - *Nothing carries a tag, and nobody loads.* Then there are no such entries or tokens.
//!   What comes later is stored, or given, after `v(t)`. So nothing is recorded.
//! - *A sweep has passed all chains* since operation `s`, removing what is void. A key's
//!   place in the order of chains never changes, so whatever was here at `s` was passed;
//!   what came since was stored later, or, by a snapshot, was not void where it came from.
//!   So of entries stored before `v(t) <= s` that carry `t` there are none left, and 1.
//!   holds without a record. For 2., records stay that are younger than the oldest lease.
//! - *The table is full*, or there is no memory: records go, and the floor rises to the
//!   youngest of them. So `r(t) >= v(t)` for each of them. Entries with any tag that are
//!   older than the floor are void: some needlessly, which costs hits and nothing else.
//!
//! A snapshot needs no table: what is void is not sent, so 1. holds of what arrives, and
//! what follows is in the log. Tokens do not survive a failover, so nor need 2.
//!
//! Invariants: no record is above the partition's sequence, nor is the floor; there are at
//! most [`RECORDS_MAX`] records, and all are charged to the ledger; `entries` are counted
//! that carry tags.
//!
//! [`RECORDS_MAX`]: table::RECORDS_MAX

mod check;
mod sweep;
mod table;

pub(crate) use sweep::Pass;
pub(crate) use table::Invalidations;
