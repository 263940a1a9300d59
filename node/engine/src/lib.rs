//! Shoal's engine: a node's data, in memory. No I/O, no clock, no threads, no
//! randomness of its own: time and seeds are arguments.
//!
//! # What is what
//!
//! - An **entry** ([`mod@entry`]) is one run of bytes: header, key, value. It says who
//!   may write which field. What only some have are its **extras** ([`mod@extras`]).
//! - It lies in the **heap** ([`mod@heap`]) of its **partition** ([`mod@partition`]) and is
//!   found through a 32-bit **handle** ([`mod@handle`]).
//! - Three structures link the entries, all through fields of the entry: the **index**
//!   by key ([`mod@index`]), the **wheel** by deadline ([`mod@expiry`]), the **policy** by
//!   who goes first ([`mod@eviction`]).
//! - Holes that entries leave are closed by **cleaning** ([`mod@heap::clean`]), a few
//!   entries at a time.
//! - A **ledger** ([`mod@memory`]) is charged before anything is allocated.
//! - The **body** ([`mod@body`]) of a long value is copied before the partition is locked.
//! - **Operations** ([`mod@operations`]) are what callers ask for; **room**
//!   ([`mod@room`]) is what they need first; **fairness** ([`mod@fairness`]) decides whose
//!   entries go for it. The [`Engine`] is the surface.
//! - **Fills** ([`mod@fills`]) decide who loads a key that many miss at once.
//! - **Tags** ([`mod@tags`]) make many entries invisible at once.
//! - **Replication** ([`mod@replication`]) makes a partition the same on several nodes.
//! - **Inspect** ([`mod@inspect`]) tells partition by partition what is there;
//!   **switch** ([`mod@switch`]) changes the policy of a running engine; **whereabouts**
//!   ([`mod@whereabouts`]) tell what memory a read will want.
//!
//! # Invariants
//!
//! - One lock a partition; whoever touches an entry holds it, alone but for reads that
//!   change nothing. Nobody holds two.
//! - All writes of a partition are ordered by their sequence; a refused write leaves no
//!   trace.
//! - Reads are exact: what has expired or was deleted is never shown. They allocate
//!   nothing and copy nothing but what the caller copies.
//! - A value is copied once when it is written, into bytes of its own size. (It may be
//!   moved later when holes are closed.)
//! - The account never passes `maxmemory_bytes`, whatever the threads do.
//! - Bounded work under a lock, whatever the partition holds: [`mod@work`] counts it and
//!   says how much. Nothing that grows with the data is ever copied or rebuilt at once:
//!   not the tables ([`mod@table`]), the index, the wheel, the ghosts of a policy, nor a
//!   segment that is cleaned.
//!
//! # Memory
//!
//! ```text
//! entry       17 + (13 if it expires) + lengths (2 below 128 bytes each) + key + value,
//!             made even; from 4 KiB on rounded as the allocator does, and 32 more
//! extras      1 where there are any, and 6 if it has a fresh time, 2 if it has tags, and 1
//!             and its bytes for each of these
//! index       2 to 4 an entry (its 4 bytes of chain are in the 17)
//! heap        about 1/64 of the data is open or idle at the ends of segments (at least
//!             4 KiB), holes of up to 1/12 once entries left; 40 a segment
//! policy      s3fifo 2 an entry once it evicts; the others nothing
//! wheel       1.9 KiB a partition that ever held an entry that expires
//! fills       about 0.7 KiB and the key for each key that is being loaded, and 80 for each
//!             caller that waits for it
//! tags        48 and the tag for each that was invalidated lately, and 0.5 KiB a partition
//!             where there is one
//! fixed       about 1 KiB a partition, open or not; beside the account 8 bytes more a core
//! ```
//!
//! A key of 13 bytes and a value of 100 with a time to live take 146 bytes in the heap,
//! and 151 in all where a million of them lie in 256 partitions (38 above key and value;
//! see `examples/footprint.rs`).
//!
//! # Why no `unsafe`
//!
//! Because entries are slices of segments and links are numbers, nothing here needs a
//! raw pointer. One allocation for each entry would want them, and the allocator's
//! header and rounding, an 8-byte pointer and the slack of a power-of-two table would add
//! some 30 bytes to the fields. Segments take none of that; being few and large, they keep
//! the process's memory close to the account; and a partition of them closes quickly.
//! Its one lock is past a mutex at times; that stands in `shoal-threads`.
//!
//! # Non-goals
//!
//! Ownership and leases (the server), streams and acknowledgements (`shoal-replication`),
//! persistence.
#![forbid(unsafe_code)]
#![allow(rustdoc::private_intra_doc_links)]

mod body;
mod engine;
mod entry;
mod eviction;
mod expiry;
mod extras;
mod fairness;
mod fills;
mod handle;
mod heap;
mod index;
mod inspect;
mod limit;
mod lists;
mod memory;
mod once;
mod operations;
mod partition;
mod place;
mod refused;
mod replication;
mod request;
mod room;
mod settings;
mod stats;
mod switch;
mod sync;
mod table;
mod tags;
mod validate;
mod whereabouts;
mod work;

pub use engine::Engine;
pub use extras::tags::{BadTags, TAG_BYTES_MAX, TAGS_MAX, TagList, Tags};
pub use fills::{FillAsk, FillBounds, FillCounts, FillToken, Filled, Full, Turn, early_permille};
pub use inspect::{Inspection, MemoryByKind, PartitionStats};
pub use refused::{AlreadyOpen, ApplyError, NotOpen, NotPromotable, ReadError, Refused};
pub use replication::{
    Applied, Join, LogCursor, Once, Position, RequestId, Role, Sent, SnapshotCursor, SnapshotSent,
};
pub use request::{
    Condition, Deleted, Entry, Increment, Incremented, KeyHash, Now, SetOutcome, Version, Write,
};
pub use room::Reclaimed;
pub use settings::{Eviction, KEY_BYTES_LIMIT, Settings, VALUE_BYTES_LIMIT};
pub use stats::Stats;
#[cfg(timed)]
pub use sync::timed::{Holds, Used, measure_holds, take_holds};
pub use whereabouts::{Next, Stretch};
pub use work::Work;
