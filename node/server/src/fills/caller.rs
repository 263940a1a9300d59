//! What one connection holds: at its end all of that passes on.
//!
//! What was given here is known to the engine by the caller's number, so that only the
//! partitions are kept. What another node has given to this caller through this node is
//! kept with its key, and given back there; the list is bounded, and what falls out of it
//! passes on when its time is over.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::engine_now;
use crate::node::Node;
use crate::service::release_elsewhere;

/// Tokens of other nodes that are kept for one connection, and their bytes.
const ELSEWHERE_MAX: usize = 1024;
const ELSEWHERE_BYTES_MAX: usize = 64 << 10;

/// One connection, as far as fills go.
pub(crate) struct Caller {
    pub(crate) node: Arc<Node>,
    pub(crate) id: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Where something was given here.
    partitions: BTreeSet<u32>,
    elsewhere: VecDeque<Elsewhere>,
    elsewhere_bytes: usize,
}

/// A token that another node has given.
pub(crate) struct Elsewhere {
    pub(crate) key: Bytes,
    pub(crate) token: Bytes,
    until_ns: u64,
}

impl Elsewhere {
    fn bytes(&self) -> usize {
        size_of::<Elsewhere>() + self.key.len() + self.token.len()
    }
}

impl Caller {
    pub(crate) fn new(node: Arc<Node>) -> Arc<Caller> {
        Arc::new(Caller {
            id: node.callers.fetch_add(1, Relaxed),
            node,
            held: Mutex::default(),
        })
    }

    /// It was given a token of this partition, here.
    pub(super) fn holds_here(&self, partition: u32) {
        self.held.lock().partitions.insert(partition);
    }

    /// Another node has given it a token that is good for so long.
    pub(crate) fn holds_elsewhere(&self, key: &[u8], token: &[u8], lease_ms: u64) {
        let now_ns = self.node.clock.boottime_ns();
        let entry = Elsewhere {
            key: Bytes::copy_from_slice(key),
            token: Bytes::copy_from_slice(token),
            until_ns: now_ns.saturating_add(lease_ms.saturating_mul(1_000_000)),
        };
        let mut held = self.held.lock();
        held.elsewhere_bytes += entry.bytes();
        held.elsewhere.push_back(entry);
        while held.elsewhere.len() > ELSEWHERE_MAX
            || held.elsewhere_bytes > ELSEWHERE_BYTES_MAX
            || held
                .elsewhere
                .front()
                .is_some_and(|it| it.until_ns <= now_ns)
        {
            let Some(first) = held.elsewhere.pop_front() else {
                break;
            };
            held.elsewhere_bytes -= first.bytes();
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        let now_ns = self.node.clock.boottime_ns();
        for partition in std::mem::take(&mut held.partitions) {
            let now = engine_now(now_ns);
            self.node.engine.release_fills_of(partition, self.id, now);
        }
        held.elsewhere.retain(|it| it.until_ns > now_ns);
        if held.elsewhere.is_empty() {
            return;
        }
        // Where the runtime ends, so does the node, and its connections to the others.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let given = std::mem::take(&mut held.elsewhere);
            runtime.spawn(release_elsewhere(self.node.clone(), given.into()));
        }
    }
}
