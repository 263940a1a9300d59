//! How this node's copies follow others, and others follow its own: the way of the crate
//! `shoal-replication`'s messages over the network, and the partitions' changes of role.
//!
//! ```text
//! service    what other nodes ask: Follow, Positions
//! following  one stream of a follower, as it is sent
//! buffer     where its messages are laid
//! outbound   the primaries that this node follows
//! peer       one of them: a task, its connection and its stream
//! roles      what the agent says: open, follow, promote, drain, close
//! bell       tells the agent that there is news
//! ```
//!
//! Invariant: nothing is queued for a follower but one message, however slow it is.
//!
//! Non-goals: deciding who follows whom, and what a message means (the crate does).

mod bell;
mod buffer;
mod following;
mod outbound;
mod peer;
mod roles;
mod service;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use shoal_engine::Position;
use shoal_replication::{Bounds, Hub};
use tokio::sync::Notify;

use crate::clock::engine_now;
use crate::node::Node;
use crate::replication::bell::Bell;
use crate::replication::outbound::Outbound;
use crate::replication::service::ReplicationService;
use crate::routing::Context;
use crate::sync;

pub use roles::BadRole;

/// How often the hub looks after followers that say nothing.
const TEND: Duration = Duration::from_millis(100);

/// Of one partition: the keys of a whole batch may wait there, and others beside it.
const BOUNDS: Bounds = Bounds {
    pending_max: 16 * 1024,
    waiters_max: 48 * 1024,
    streams_max: 64,
};

/// What replication has to do with every request.
pub(crate) struct Replication {
    pub(crate) hub: Arc<Hub>,
    pub(crate) outbound: Outbound,
    /// A copy here has come further.
    applied: Notify,
    /// Streams of followers.
    streams: sync::AtomicUsize,
    hurry: Hurry,
    /// Once somebody listens.
    bell: OnceLock<Arc<Bell>>,
}

/// Tells streams that gather that somebody waits for what they have.
#[derive(Default)]
struct Hurry {
    /// How often there was hurry.
    times: AtomicU64,
    count: AtomicUsize,
    /// One a stream.
    streams: Mutex<Vec<Arc<AtomicWaker>>>,
}

impl Replication {
    pub(crate) fn new(partition_count: u32) -> Replication {
        Replication {
            hub: Arc::new(Hub::new(partition_count, BOUNDS)),
            outbound: Outbound::default(),
            applied: Notify::new(),
            streams: sync::AtomicUsize::new(0),
            hurry: Hurry::default(),
            bell: OnceLock::new(),
        }
    }

    /// Counters and gauges, by name.
    pub(crate) fn told(&self, node: &Node) -> Vec<(&'static str, u64)> {
        let traffic = self.hub.traffic();
        vec![
            ("streams", self.streams.load(SeqCst) as u64),
            ("followed_partitions", self.outbound.followed_count() as u64),
            ("waits", node.counters.waited_for_copies_total()),
            ("log_batches", traffic.log_batches),
            ("log_bytes", traffic.log_bytes),
            ("snapshot_bytes", traffic.snapshot_bytes),
            ("snapshots", traffic.snapshots_begun),
            ("applied_bytes", traffic.applied_bytes),
        ]
    }

    /// Somebody waits for followers: what is gathered goes out now.
    pub(crate) fn hurry(&self) {
        self.hurry.times.fetch_add(1, SeqCst);
        if self.hurry.count.load(SeqCst) > 0 {
            self.hurry.streams.lock().iter().for_each(|it| it.wake());
        }
    }
}

impl Hurry {
    fn times(&self) -> u64 {
        self.times.load(SeqCst)
    }

    /// Whom to wake, until it is left.
    fn join(&self) -> Arc<AtomicWaker> {
        let joined = Arc::new(AtomicWaker::new());
        let mut streams = self.streams.lock();
        streams.push(joined.clone());
        self.count.store(streams.len(), SeqCst);
        joined
    }

    fn leave(&self, joined: &Arc<AtomicWaker>) {
        let mut streams = self.streams.lock();
        streams.retain(|known| !Arc::ptr_eq(known, joined));
        self.count.store(streams.len(), SeqCst);
    }
}

impl Node {
    /// Wait until the copy here has come so far, but not for long.
    pub(crate) async fn reaches(&self, partition: u32, at_least: Position, context: Context) {
        let left = context.remaining(self).unwrap_or_default();
        let left = left.min(self.limits.at_least_wait);
        let reached = async {
            loop {
                let mut applied = std::pin::pin!(self.replication.applied.notified());
                applied.as_mut().enable();
                if self.engine.position(partition) >= Some(at_least) {
                    return;
                }
                applied.await;
            }
        };
        // Whether it has is looked at again by who asks.
        let _ = tokio::time::timeout(left, reached).await;
    }
}

/// The service, for the routes that tonic serves.
pub(crate) fn service(node: &Arc<Node>) -> ReplicationService {
    ReplicationService::new(node.clone())
}

/// Looks after followers until it is dropped.
pub(crate) async fn tend(node: Arc<Node>) {
    let mut rounds = tokio::time::interval(TEND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let now = engine_now(node.clock.boottime_ns());
        node.replication.hub.tend(&node.engine, now);
    }
}
