//! How handshakes went, and why the last one failed: a certificate that does not fit shows
//! nowhere else.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Of one side, since the start.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    done: AtomicU64,
    failed: AtomicU64,
    last_failure: Mutex<String>,
}

/// Handshakes of one side as they are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakesTold {
    /// Those that succeeded.
    pub done: u64,
    /// Those that did not.
    pub failed: u64,
    /// Why the last of them failed, and with whom; empty where none has.
    pub last_failure: String,
}

impl Handshakes {
    /// Count one with this peer.
    pub(super) fn note<T, E: std::fmt::Display>(&self, peer: &str, outcome: &Result<T, E>) {
        match outcome {
            Ok(_) => {
                self.done.fetch_add(1, Relaxed);
            }
            Err(error) => {
                self.failed.fetch_add(1, Relaxed);
                *self.last_failure.lock() = format!("{peer}: {error}");
            }
        }
    }

    pub(super) fn told(&self) -> HandshakesTold {
        HandshakesTold {
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            last_failure: self.last_failure.lock().clone(),
        }
    }
}
