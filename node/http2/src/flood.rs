//! How much is put up with of what costs a peer nothing: a bucket that empties with
//! each, and fills with time and with useful work.

use crate::limits::Rate;

/// What is left of one allowance.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    rate: Rate,
    left: u32,
    /// When `left` was last topped up, or first spent from.
    since_ms: Option<u64>,
}

/// Nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent;

impl Budget {
    pub(crate) fn new(rate: Rate) -> Budget {
        Budget {
            rate,
            left: rate.burst,
            since_ms: None,
        }
    }

    /// One more of it.
    pub(crate) fn spend(&mut self, now_ms: u64) -> Result<(), Spent> {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        if self.left == 0 {
            self.top_up(since_ms, now_ms);
        }
        self.left = self.left.checked_sub(1).ok_or(Spent)?;
        Ok(())
    }

    /// Something useful came.
    pub(crate) fn earn(&mut self) {
        if self.left < self.rate.burst {
            self.left += 1;
        }
    }

    fn top_up(&mut self, since_ms: u64, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(since_ms);
        let earned = passed_ms.saturating_mul(self.rate.per_second.into()) / 1000;
        if earned > 0 {
            self.left = u32::try_from(earned)
                .unwrap_or(u32::MAX)
                .min(self.rate.burst);
            self.since_ms = Some(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Spent};
    use crate::limits::Rate;

    const RATE: Rate = Rate {
        burst: 3,
        per_second: 2,
    };

    #[test]
    fn a_burst_is_allowed_and_then_a_rate() {
        let mut budget = Budget::new(RATE);
        for _ in 0..3 {
            budget.spend(1000).unwrap();
        }
        assert_eq!(budget.spend(1499), Err(Spent));
        budget.spend(1500).unwrap();
        assert_eq!(budget.spend(1500), Err(Spent));
        for _ in 0..3 {
            budget.spend(1_000_000).unwrap();
        }
        assert_eq!(
            budget.spend(1_000_000),
            Err(Spent),
            "no more than the burst"
        );
    }

    #[test]
    fn useful_work_gives_back() {
        let mut budget = Budget::new(Rate {
            burst: 1,
            per_second: 0,
        });
        for _ in 0..100 {
            budget.spend(5).unwrap();
            budget.earn();
            budget.earn();
        }
        budget.spend(5).unwrap();
        assert_eq!(budget.spend(u64::MAX), Err(Spent));
    }
}
