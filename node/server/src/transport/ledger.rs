//! Bytes that a connection holds for its peer: pieces of requests that are not whole,
//! and answers that the peer's windows do not let through.
//!
//! Both are bounded for each connection, and together for the node. Where the node's
//! bound is reached, each connection has a share of it, so that those who hold much
//! leave room for those who hold little. What is answered as it comes, which is nearly
//! everything, is never counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::node::Node;

/// A connection may hold so much, whatever the others hold.
const SHARE_BYTES_MIN: usize = 64 * 1024;

/// Nothing more may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The account of one connection.
pub(super) struct Ledger {
    node: Arc<Node>,
    requests: AtomicUsize,
    answers: AtomicUsize,
}

impl Ledger {
    pub(super) fn new(node: Arc<Node>) -> Arc<Ledger> {
        Arc::new(Ledger {
            node,
            requests: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        })
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn for_tests(requests_bytes_max: usize) -> Arc<Ledger> {
        let limits = crate::settings::Limits {
            requests_bytes_max,
            ..Default::default()
        };
        let settings = crate::settings::Settings {
            limits,
            ..crate::settings::Settings::small()
        };
        let clock = Arc::new(crate::clock::SystemClock);
        Ledger::new(Arc::new(Node::new(settings, None, clock)))
    }

    #[cfg(test)]
    pub(super) fn requests_bytes(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// So many bytes of answers wait now.
    pub(super) fn set_answers(&self, bytes: usize) {
        let before = self.answers.load(Relaxed);
        if before != bytes {
            self.answers.store(bytes, Relaxed);
            // Wraps where it shrinks; the sum is right.
            let held = &self.node.held_bytes;
            held.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    /// What each connection may hold once the node's bound is reached.
    fn share_bytes(&self) -> usize {
        let connections = self.node.counters.connections.load(Relaxed).max(1);
        (self.node.limits.held_bytes_max / connections).max(SHARE_BYTES_MIN)
    }

    /// Whether this connection holds too much of what the whole node may: then its last
    /// answer is dropped.
    pub(super) fn is_over(&self, waiting_bytes: usize) -> bool {
        let others = self.node.held_bytes.load(Relaxed);
        let all = others.wrapping_sub(self.answers.load(Relaxed));
        let all = all.wrapping_add(waiting_bytes);
        all > self.node.limits.held_bytes_max && waiting_bytes > self.share_bytes()
    }

    /// Whether answers must wait until some were sent.
    pub(super) fn is_behind(&self, waiting_bytes: usize) -> bool {
        let limits = &self.node.limits;
        waiting_bytes > limits.answers_bytes_max
            || self.node.held_bytes.load(Relaxed) > limits.held_bytes_max
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.set_answers(0);
    }
}

/// Bytes of one request that are held, until this is dropped.
pub(super) struct Held {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Held {
        Held {
            ledger: ledger.clone(),
            bytes: 0,
        }
    }

    /// So many bytes that are held already and cannot be refused any more; what comes
    /// after them can.
    pub(super) fn of(ledger: &Arc<Ledger>, bytes: usize) -> Held {
        let mut held = Held::new(ledger);
        let _ = held.grow(bytes);
        held
    }

    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let limits = &self.ledger.node.limits;
        let own = self.ledger.requests.fetch_add(bytes, Relaxed) + bytes;
        let all = self.ledger.node.held_bytes.fetch_add(bytes, Relaxed) + bytes;
        self.bytes += bytes;
        let is_full = all > limits.held_bytes_max && own > self.ledger.share_bytes();
        if own > limits.requests_bytes_max || is_full {
            return Err(Full);
        }
        Ok(())
    }

    pub(super) fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.ledger.requests.fetch_sub(bytes, Relaxed);
        self.ledger.node.held_bytes.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
