//! How long a copy has been behind: the age of the oldest record that it has not
//! acknowledged, from two marks, whatever the number of records.
//!
//! Nobody notes the time of a write. Whoever looks (a stream that sends, the hub as it
//! is tended) says what it sees and when, so an age counts from the first look. The
//! second mark covers all that came after the first: with steady writes an age is too
//! large by at most one round of acknowledgement, and never too small by more than the
//! time between two looks.

/// Everything up to `upto_seq` that is not acknowledged was first seen then, or later.
#[derive(Clone, Copy, Debug)]
struct Mark {
    upto_seq: u64,
    since_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lag {
    older: Option<Mark>,
    newer: Option<Mark>,
}

impl Lag {
    /// The primary is at `head_seq` now, the copy at `acked_seq`.
    pub(crate) fn observe(&mut self, head_seq: u64, acked_seq: u64, now_ms: u64) {
        for _ in 0..2 {
            if self.older.is_some_and(|mark| acked_seq >= mark.upto_seq) {
                self.older = self.newer.take();
            }
        }
        if head_seq <= acked_seq {
            return;
        }
        let seen = Mark {
            upto_seq: head_seq,
            since_ms: now_ms,
        };
        match (&mut self.older, &mut self.newer) {
            (None, _) => self.older = Some(seen),
            (Some(older), _) if head_seq <= older.upto_seq => {}
            (_, None) => self.newer = Some(seen),
            (_, Some(newer)) => newer.upto_seq = newer.upto_seq.max(head_seq),
        }
    }

    /// The age now. 0: nothing is missing.
    pub(crate) fn ms(&self, now_ms: u64) -> u64 {
        self.older
            .map_or(0, |mark| now_ms.saturating_sub(mark.since_ms).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Lag;

    #[test]
    fn who_has_everything_does_not_lag() {
        let mut lag = Lag::default();
        lag.observe(0, 0, 5);
        lag.observe(9, 9, 6);
        assert_eq!(lag.ms(1000), 0);
    }

    #[test]
    fn an_age_counts_from_the_first_look_until_the_acknowledgement() {
        let mut lag = Lag::default();
        lag.observe(3, 0, 100);
        lag.observe(3, 0, 200);
        assert_eq!(lag.ms(250), 150);
        lag.observe(5, 2, 300);
        assert_eq!(lag.ms(350), 250, "the third is still missing");
        lag.observe(5, 3, 400);
        assert_eq!(lag.ms(450), 150, "the fourth was seen at 300");
        lag.observe(5, 5, 500);
        assert_eq!(lag.ms(550), 0);
    }

    #[test]
    fn with_steady_writes_it_is_right_to_within_a_round() {
        let mut lag = Lag::default();
        // A record a millisecond, acknowledged 20 ms later.
        for now in 20..1000 {
            lag.observe(now, now - 20, now);
            assert!(lag.ms(now) <= 41, "{} at {now}", lag.ms(now));
            assert!(now < 50 || lag.ms(now) >= 19, "{} at {now}", lag.ms(now));
        }
    }
}
