//! `maxmemory` means the process: what entries may take is what the rest of it leaves.
//!
//! Everything beside entries (the interpreter of the agent, connections, messages under
//! way, what the allocator keeps) is not known in advance, but what is resident is.
//! Twenty times a second it is read, and the engine's limit is set so that the process
//! comes to `maxmemory`, less a thirty-second part, and no further:
//!
//! ```text
//! resident above that   what the allocator keeps goes back to the system; what is
//!                       still too much is evicted, in small steps
//! below it              entries may take a part of what is free
//! ```
//!
//! Between two looks the messages under way may grow by what `Limits::within` allows.
//!
//! `limit` decides, `resident` reads, `allocator` returns. That nobody else returns memory,
//! and when it suits nobody, `trimmers` sees to.

mod allocator;
mod limit;
mod resident;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod trimmers;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::engine_now;
use crate::node::{Node, stopped};

/// What is kept free for what comes between two looks: this part of maxmemory.
const SPARE_PART: usize = 32;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// For a process that is a node's alone: to be called once, before much is allocated, and
/// after its libraries were loaded.
pub(crate) fn own_the_allocator() {
    allocator::return_large_buffers_at_once();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    trimmers::keep_from_trimming();
}

/// Runs until the node stops.
pub(crate) async fn keep_within_maxmemory(node: Arc<Node>, maxmemory_bytes: usize) {
    let aim_bytes = maxmemory_bytes - maxmemory_bytes / SPARE_PART;
    let mut stopping = node.stopping.subscribe();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
            _ = looks.tick() => look(&node, aim_bytes).await,
        }
    }
}

async fn look(node: &Node, aim_bytes: usize) {
    let Some(mut resident_bytes) = resident::bytes() else {
        return;
    };
    if resident_bytes > aim_bytes {
        allocator::return_what_is_free();
        resident_bytes = resident::bytes().unwrap_or(resident_bytes);
    }
    let used_bytes = node.engine.used_bytes();
    let limit_bytes = limit::of(limit::Seen {
        aim_bytes,
        resident_bytes,
        used_bytes,
        limit_bytes: node.engine.limit_bytes(),
    });
    while node
        .engine
        .shed_to(limit_bytes, engine_now(node.clock.boottime_ns()))
    {
        tokio::task::yield_now().await;
    }
    if node.engine.used_bytes() < used_bytes && resident_bytes > aim_bytes {
        allocator::return_what_is_free();
    }
}
