//! What happened since the start and is rare: failures, forwards. Relaxed atomics: exact
//! in sum, never in order. What every request counts is in [`crate::introspection`].

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::failure::Failure;
use crate::reasons::Reason;

/// A counter on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// The counters of one node.
#[derive(Debug)]
pub(crate) struct Counters {
    failures: [Counter; Reason::ALL.len()],
    forwarded: Counter,
    moved: Counter,
    waited_for_copies: Counter,
    /// Connections now.
    pub connections: AtomicUsize,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            failures: std::array::from_fn(|_| Counter::default()),
            forwarded: Counter::default(),
            moved: Counter::default(),
            waited_for_copies: Counter::default(),
            connections: AtomicUsize::new(0),
        }
    }
}

impl Counters {
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

    /// An answer waits for other copies.
    pub(crate) fn waited_for_copies(&self) {
        self.waited_for_copies.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers that waited for other copies, each partition of a batch once.
    pub(crate) fn waited_for_copies_total(&self) -> u64 {
        self.waited_for_copies.0.load(Ordering::Relaxed)
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
