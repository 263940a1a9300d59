//! The background task that takes expired entries out of memory, so that they go
//! within a second of their time without being read.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::engine_now;
use crate::node::Node;
use crate::ownership::State;

/// Time between two rounds over all partitions.
const ROUND: Duration = Duration::from_millis(100);
/// Entries taken under one hold of a partition's lock.
const BUDGET: usize = 128;
/// How often a partition that has more is gone back to in a round.
const TURNS: usize = 64;

/// Runs until it is dropped.
pub(crate) async fn reclaim(node: Arc<Node>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        for partition in 0..node.partition_count {
            if node.ownership.state(partition) == State::Closed {
                continue;
            }
            for _ in 0..TURNS {
                let now = engine_now(node.clock.boottime_ns());
                let reclaimed = node.engine.reclaim_expired(partition, now, BUDGET);
                if reclaimed < BUDGET {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if partition % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
    }
}
