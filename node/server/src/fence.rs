//! The fence: until when this node may act as a primary.
//!
//! Invariant: past the deadline no write and no primary read is answered with
//! success, whatever Python does. The deadline is on CLOCK_BOOTTIME, so a machine
//! that slept wakes up fenced. A new node is fenced until its first lease.
//!
//! Whoever answers checks twice: before evaluating, and again before answering,
//! because a process may be stopped between any two instructions.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// The lease deadline. Written by the agent, read by every request.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    deadline_ns: AtomicU64,
}

impl Fence {
    /// Set the deadline; 0 fences at once.
    pub(crate) fn set_deadline(&self, boottime_ns: u64) {
        self.deadline_ns.store(boottime_ns, Ordering::SeqCst);
    }

    /// Whether this node may act as a primary at this time.
    #[must_use]
    pub(crate) fn stands(&self, now_boottime_ns: u64) -> bool {
        now_boottime_ns < self.deadline_ns.load(Ordering::SeqCst)
    }

    /// Milliseconds until the fence falls; 0 when it has.
    #[must_use]
    pub(crate) fn remaining_ms(&self, now_boottime_ns: u64) -> u64 {
        let deadline = self.deadline_ns.load(Ordering::SeqCst);
        deadline.saturating_sub(now_boottime_ns) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::Fence;

    #[test]
    fn a_new_fence_does_not_stand() {
        assert!(!Fence::default().stands(0));
    }

    #[test]
    fn it_stands_until_just_before_its_deadline() {
        let fence = Fence::default();
        fence.set_deadline(5_000_000);
        assert!(fence.stands(4_999_999));
        assert!(!fence.stands(5_000_000));
        assert_eq!(fence.remaining_ms(3_000_000), 2);
        assert_eq!(fence.remaining_ms(9_000_000), 0);
        fence.set_deadline(0);
        assert!(!fence.stands(1));
    }
}
