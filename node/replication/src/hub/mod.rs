//! The hub: what each partition is on this node, as far as replication goes, and the one
//! place where writers, readers, streams and the agent meet.
//!
//! - [`mod@lifecycle`]: a copy is opened, follows, is promoted, is closed.
//! - [`mod@commit`]: which copies are required, what they acknowledged, what that commits.
//! - [`mod@wait`], [`mod@reserve`]: who waits for it, and which reads must.
//! - [`mod@membership`]: streams come, follow and leave.
//! - [`mod@news`]: that there is something to tell.
//! - [`mod@status`]: what the agent, other nodes and metrics are told.
//!
//! Memory: 128 bytes and a lock a partition, open or not; the rest is bounded by
//! [`Bounds`], and nothing of it is there where nobody follows or waits.

mod commit;
mod follower;
mod lag;
mod lifecycle;
mod membership;
mod news;
mod pending;
mod place;
mod reserve;
mod status;
mod traffic;
mod wait;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use crate::bounds::Bounds;
use crate::bucket::Bucket;
use crate::hub::news::News;
use crate::hub::place::Place;
use crate::stream::Stream;
use crate::sync::{AtomicU32, AtomicU64, Mutex};

pub use commit::{NotServed, TooFewCopies};
pub(crate) use membership::{Coming, Joined};
pub use reserve::{Refusal, Reservation};
pub use status::{FollowerStatus, PartitionStatus};
pub(crate) use traffic::Tally;
pub use traffic::Traffic;
pub use wait::{Unmet, Wait};

/// Lag from which falling behind is news, unless told otherwise.
const BEHIND_MS: u64 = 500;

/// The state of every partition's replication on this node. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Hub {
    places: Box<[Place]>,
    bounds: Bounds,
    min_in_sync: AtomicU32,
    news: News,
    behind_ms: AtomicU64,
    /// The next number of a stream or of somebody who waits.
    numbers: AtomicU64,
    /// For snapshots that are sent,
    pub(crate) outgoing: Mutex<Bucket>,
    /// and for those that are taken.
    pub(crate) incoming: Mutex<Bucket>,
    pub(crate) tally: Tally,
}

impl Hub {
    /// Every partition is closed.
    pub fn new(partition_count: u32, bounds: Bounds) -> Hub {
        let places: Box<[Place]> = (0..partition_count).map(|_| Place::default()).collect();
        for (partition, place) in (0..).zip(&places) {
            place.state.lock().partition = partition;
        }
        Hub {
            places,
            bounds,
            min_in_sync: AtomicU32::new(1),
            news: News::default(),
            behind_ms: AtomicU64::new(BEHIND_MS),
            numbers: AtomicU64::new(1),
            outgoing: Mutex::new(Bucket::default()),
            incoming: Mutex::new(Bucket::default()),
            tally: Tally::default(),
        }
    }

    /// From which lag on it is news that a copy has fallen behind.
    pub fn set_behind_ms(&self, behind_ms: u64) {
        self.behind_ms.store(behind_ms, Relaxed);
    }

    /// How fast snapshots may leave this node, over all streams, and how fast they may come.
    /// 0: no bound. Sinks must be asked anew what they have to say.
    pub fn set_snapshot_rate(&self, bytes_per_second: u64) {
        self.outgoing.lock().set_rate(bytes_per_second);
        self.incoming.lock().set_rate(bytes_per_second);
        for place in &self.places {
            // Who waits for the bucket computed for how long with the old rate.
            place.state.lock().streams.iter().for_each(|it| it.wake());
        }
    }

    pub(crate) fn partition_count(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn new_stream(&self) -> Arc<Stream> {
        Arc::new(Stream::new(self.number(), self.partition_count()))
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    fn place(&self, partition: u32) -> &Place {
        &self.places[partition as usize]
    }
}

/// Wakes them, behind no lock.
fn wake_all(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}
