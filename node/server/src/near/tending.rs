//! The background task of near caches: ten times a second it looks which keys are hot, and
//! whether the lease stands; once a second it forgets grants that are over.

use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::Ordering::Relaxed;

use crate::near::choosing::READS_PER_SECOND_MIN;
use crate::node::Node;

/// Time between two looks.
const ROUND: Duration = Duration::from_millis(100);
/// Looks between two sweeps.
const SWEEP_ROUNDS: u32 = 10;

/// Runs until it is dropped.
pub(crate) async fn tend(node: Arc<Node>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in (0..SWEEP_ROUNDS).cycle() {
        rounds.tick().await;
        let now_ns = node.clock.boottime_ns();
        let now_ms = now_ns / 1_000_000;
        let near = &node.near;
        near.stream.set_fenced(!node.fence.stands(now_ns));
        // Also where nothing is granted: it lets the sketch's time pass.
        let heat = node.introspection.heat(READS_PER_SECOND_MIN, now_ms);
        if near.grant_ms > 0 {
            let watchers = near.watchers.load(Relaxed);
            let mut chosen = near.chosen.lock();
            chosen.round(&heat, &near.hot, watchers, near.grant_ms, now_ms);
        }
        if round == 0 && near.grants.noted() > 0 {
            for partition in 0..node.partition_count {
                near.grants.sweep(partition, now_ms);
            }
        }
    }
}
