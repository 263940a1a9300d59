//! The background task that takes expired entries out of memory, so that they go
//! within a second of their time without being read.
//!
//! Ten times a second it asks every open partition for what is due. A partition that
//! has much is gone back to until it has no more, in slices of [`SLICE`] entries: the
//! partition's lock is held for one slice (some tens of microseconds), and between two
//! slices whoever waits for this thread or for that lock has its turn. So a million
//! keys that expire at once cost the thread about half a second in all, spread between
//! the requests, and no request waits for more than a slice of it.
//!
//! It is one task: however much expires, it takes at most one thread's time. Slices stay
//! with a partition for a while, because its entries are in the cache then, and move on
//! so that one large partition does not make the others wait.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::engine_now;
use crate::node::Node;
use crate::ownership::State;

/// Time between two rounds over all partitions.
const ROUND: Duration = Duration::from_millis(100);
/// Entries taken under one hold of a partition's lock.
const SLICE: usize = 32;
/// Slices of one partition before the next has its turn.
const SLICES_PER_TURN: usize = 256;
/// Partitions with nothing due that are asked before others have this thread.
const IDLE_PER_TURN: u32 = 32;

/// Runs until it is dropped.
pub(crate) async fn reclaim(node: Arc<Node>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let mut due = Vec::new();
        for partition in 0..node.partition_count {
            // What is followed mirrors its primary, which alone removes what has expired. What
            // is void by its tags each copy takes out by itself.
            let is_open = node.ownership.state(partition) != State::Closed;
            if is_open && slice(&node, partition) {
                due.push(partition);
            }
            if partition % IDLE_PER_TURN == IDLE_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        while !due.is_empty() {
            let mut still_due = Vec::new();
            for partition in due {
                if turn(&node, partition).await {
                    still_due.push(partition);
                }
            }
            due = still_due;
        }
    }
}

/// Whether the partition has more after its turn.
async fn turn(node: &Node, partition: u32) -> bool {
    for _ in 0..SLICES_PER_TURN {
        tokio::task::yield_now().await;
        if !slice(node, partition) {
            return false;
        }
    }
    true
}

/// Whether the partition has more after this slice.
fn slice(node: &Node, partition: u32) -> bool {
    let now = engine_now(node.clock.boottime_ns());
    let reclaimed = node.engine.reclaim(partition, now, SLICE);
    if reclaimed.entries > 0 {
        node.replication.hub.written(partition);
    }
    reclaimed.more
}
