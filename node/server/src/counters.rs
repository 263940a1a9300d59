//! What happened since the start. Relaxed atomics: exact in sum, never in order.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::failure::Failure;
use crate::reasons::Reason;
use crate::service::Method;

/// A counter on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// The counters of one node.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: [Counter; Method::ALL.len()],
    failures: [Counter; Reason::ALL.len()],
    forwarded: Counter,
    moved: Counter,
    /// Connections now.
    pub connections: AtomicUsize,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            requests: std::array::from_fn(|_| Counter::default()),
            failures: std::array::from_fn(|_| Counter::default()),
            forwarded: Counter::default(),
            moved: Counter::default(),
            connections: AtomicUsize::new(0),
        }
    }
}

impl Counters {
    pub(crate) fn request(&self, method: Method) {
        self.requests[method as usize]
            .0
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Count a failure, of a request or of one key of it.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Some(reason) = failure.reason() else {
            return;
        };
        self.failures[reason as usize]
            .0
            .fetch_add(1, Ordering::Relaxed);
        if reason == Reason::Moved {
            self.moved.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn forwarded(&self) {
        self.forwarded.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by method, whatever became of them.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Method::ALL.iter().map(|m| {
            (
                m.name(),
                self.requests[*m as usize].0.load(Ordering::Relaxed),
            )
        })
    }

    /// Failures by reason, of requests and of keys in batches.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL.iter().map(|r| {
            (
                r.as_str(),
                self.failures[*r as usize].0.load(Ordering::Relaxed),
            )
        })
    }

    /// Requests, or parts of batches, sent on to another node.
    pub(crate) fn forwarded_total(&self) -> u64 {
        self.forwarded.0.load(Ordering::Relaxed)
    }

    /// `MOVED` answers.
    pub(crate) fn moved_total(&self) -> u64 {
        self.moved.0.load(Ordering::Relaxed)
    }
}
