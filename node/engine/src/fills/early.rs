//! When a value is due to be refreshed: past its fresh time, and by chance a little before.
//!
//! The rule is XFetch (Vattani, Chierichetti, Lowenstein, "Optimal probabilistic cache
//! stampede prevention", PVLDB 8(8), 2015): a caller refreshes where what is left is less
//! than `load time x beta x -ln(u)`, u drawn evenly from 0 to 1. The more often a key is
//! asked for, the earlier one of the callers does, and the longer the load takes.

use super::FillAsk;
use crate::partition::Partition;
use crate::request::{Entry, Now};

const BITS: u32 = 53;

/// What one caller has drawn: so many thousandths of the load time. `uniform` is any number
/// of 64 bits, each as likely as the others; `beta` 1 is the rule as published, 0 is never.
pub fn early_permille(beta: f64, uniform: u64) -> u64 {
    // Of the open end at 0 there is no logarithm.
    let drawn = (uniform >> (u64::BITS - BITS)) + 1;
    let u = drawn as f64 / (1_u64 << BITS) as f64;
    // What is no number is 0.
    (1000.0 * beta * -u.ln()) as u64
}

/// What a caller that asks for a fill finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// A value, and that is all.
    Enough,
    /// A value, and the next one is to be loaded.
    Due,
    /// No value that it takes.
    Nothing,
}

impl Partition {
    /// Counts as no read.
    pub(super) fn has(&mut self, key: &[u8], ask: &FillAsk, now: Now) -> Has {
        let now_ms = self.own_time_ms(now);
        let hash = self.index.hash(key);
        let handle = self.index.find(&self.heap, hash, key);
        let live = handle.filter(|&handle| self.is_shown(handle, now_ms));
        match live.map(|handle| self.shown(handle, now_ms)) {
            None => Has::Nothing,
            Some(entry) if ask.refuses(&entry) => Has::Nothing,
            Some(entry) if ask.is_due(&entry) => Has::Due,
            Some(_) => Has::Enough,
        }
    }
}

impl FillAsk {
    /// Whether this caller refreshes what it found, if nobody else does.
    pub(super) fn is_due(&self, found: &Entry<'_>) -> bool {
        found.fresh_ms.is_some_and(|left_ms| {
            let early = found.load_ms.saturating_mul(self.early_permille);
            left_ms.saturating_mul(1000) <= early
        })
    }

    /// Whether what it found counts as nothing.
    pub(super) fn refuses(&self, found: &Entry<'_>) -> bool {
        self.fresh_only && found.is_stale()
    }
}

#[cfg(test)]
mod tests {
    use super::early_permille;

    #[test]
    fn it_is_the_logarithm_of_what_was_drawn() {
        assert_eq!(early_permille(1.0, u64::MAX), 0);
        assert_eq!(early_permille(1.0, u64::MAX / 2), 693);
        assert_eq!(early_permille(2.0, u64::MAX / 2), 1386);
        assert_eq!(early_permille(1.0, 0), 36_736);
        for beta in [0.0, -1.0, f64::NAN] {
            assert_eq!(early_permille(beta, 0), 0);
        }
        assert_eq!(early_permille(f64::INFINITY, 0), u64::MAX);
    }
}
