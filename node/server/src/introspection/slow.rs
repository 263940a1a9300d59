//! The slow log: the last requests that took longer than a threshold.
//!
//! A ring of [`ENTRIES_MAX`]. It holds keys, because that is what an operator looks for;
//! it is told through the snapshot alone, never to a log or a metric's label.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use super::KEY_BYTES_KEPT;
use crate::service::Method;

/// Entries kept.
pub(super) const ENTRIES_MAX: usize = 128;
/// As in Redis.
const THRESHOLD_NS: u64 = 10_000_000;

/// A request that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRequest {
    /// Rises by one with each.
    pub number: u64,
    /// When it ended, in milliseconds of the wall clock.
    pub unix_ms: u64,
    /// What was asked.
    pub method: &'static str,
    /// How long it took.
    pub duration_ns: u64,
    /// Its key's partition; None where it has many keys, or none.
    pub partition: Option<u32>,
    /// How many keys or operations it had.
    pub keys: u64,
    /// How long its key is.
    pub key_bytes: u64,
    /// The keyed hash of its key: the same key, the same hash, for this process' life.
    pub key_hash: u64,
    /// Its key, cut at 1 KiB. Empty where it has many.
    pub key: Bytes,
}

/// What a request was about.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    pub(super) keys: u64,
    pub(super) key: Bytes,
    pub(super) partition: Option<u32>,
    pub(super) key_hash: u64,
}

#[derive(Debug)]
pub(super) struct SlowLog {
    threshold_ns: AtomicU64,
    state: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    total: u64,
    entries: VecDeque<SlowRequest>,
}

impl Default for SlowLog {
    fn default() -> SlowLog {
        SlowLog {
            threshold_ns: AtomicU64::new(THRESHOLD_NS),
            state: Mutex::default(),
        }
    }
}

impl SlowLog {
    #[inline]
    pub(super) fn is_slow(&self, duration_ns: u64) -> bool {
        duration_ns >= self.threshold_ns.load(Relaxed)
    }

    pub(super) fn threshold_ns(&self) -> u64 {
        self.threshold_ns.load(Relaxed)
    }

    pub(super) fn set_threshold_ns(&self, threshold_ns: u64) {
        self.threshold_ns.store(threshold_ns, Relaxed);
    }

    pub(super) fn add(&self, method: Method, duration_ns: u64, subject: &Subject) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut ring = self.state.lock();
        ring.total += 1;
        if ring.entries.len() == ENTRIES_MAX {
            ring.entries.pop_front();
        }
        let number = ring.total;
        ring.entries.push_back(SlowRequest {
            number,
            unix_ms: since_epoch.map_or(0, |since| since.as_millis() as u64),
            method: method.name(),
            duration_ns,
            partition: subject.partition,
            keys: subject.keys,
            key_bytes: subject.key.len() as u64,
            key_hash: subject.key_hash,
            // A copy: the request's own bytes may be of a much longer message.
            key: Bytes::copy_from_slice(&subject.key[..subject.key.len().min(KEY_BYTES_KEPT)]),
        });
    }

    /// How many there were, and the last ones, the newest first.
    pub(super) fn read(&self) -> (u64, Vec<SlowRequest>) {
        let ring = self.state.lock();
        (ring.total, ring.entries.iter().rev().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest_and_counts_all() {
        let log = SlowLog::default();
        let subject = Subject {
            keys: 1,
            key: Bytes::from(vec![b'k'; 5000]),
            partition: Some(3),
            key_hash: 9,
        };
        for number in 0..1000 {
            log.add(Method::Get, number, &subject);
        }
        let (total, entries) = log.read();
        assert_eq!((total, entries.len()), (1000, ENTRIES_MAX));
        assert_eq!((entries[0].number, entries[0].duration_ns), (1000, 999));
        assert_eq!(entries[ENTRIES_MAX - 1].duration_ns, 1000 - 128);
        assert_eq!((entries[0].key.len(), entries[0].key_bytes), (1024, 5000));
    }

    #[test]
    fn the_threshold_can_be_moved() {
        let log = SlowLog::default();
        assert!(log.is_slow(10_000_000) && !log.is_slow(9_999_999));
        log.set_threshold_ns(5);
        assert!(log.is_slow(5) && !log.is_slow(4));
    }
}
