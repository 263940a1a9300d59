//! Which operations are looked at: every one while there are few, and of many so few that
//! no more than [`SAMPLES_PER_SECOND_MAX`] a second are.
//!
//! Each thread leaves out a gap between two samples, drawn from 1 to twice the mean, so
//! that no rhythm of the load hides a key. A sample stands for as many operations as the
//! mean of the gap before it, which makes sums unbiased while the mean changes. The mean
//! follows the load within [`ROUND_MS`], and sooner where far too many samples come.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Samples a second, at most.
pub(super) const SAMPLES_PER_SECOND_MAX: u32 = 16_384;
/// The mean gap is looked at this often.
const ROUND_MS: u64 = 100;
/// So many samples in one round are answered at once.
const SAMPLES_AT_ONCE: u32 = SAMPLES_PER_SECOND_MAX / 5;
/// A gap of so many times the mean is from a time of more load.
const OUTDATED: u32 = 4;

/// How many operations one sample stands for now.
#[derive(Debug)]
pub(super) struct Drawing {
    one_in: AtomicU32,
}

/// A thread's way to its next sample.
#[derive(Clone, Copy)]
struct Gap {
    left: u32,
    mean: u32,
}

impl Default for Drawing {
    fn default() -> Drawing {
        Drawing {
            one_in: AtomicU32::new(1),
        }
    }
}

impl Drawing {
    /// Whether this thread's operation is looked at, and then how many it stands for.
    #[inline]
    pub(super) fn draw(&self) -> Option<u32> {
        thread_local! {
            static GAP: Cell<Gap> = const { Cell::new(Gap { left: 1, mean: 1 }) };
        }
        GAP.with(|gap| {
            let mut now = gap.get();
            let one_in = self.one_in.load(Relaxed);
            if now.mean > one_in.saturating_mul(OUTDATED) {
                now = next(one_in);
            }
            let is_drawn = now.left <= 1;
            gap.set(match is_drawn {
                true => next(one_in),
                false => Gap {
                    left: now.left - 1,
                    ..now
                },
            });
            is_drawn.then_some(now.mean)
        })
    }

    pub(super) fn one_in(&self) -> u32 {
        self.one_in.load(Relaxed)
    }

    pub(super) fn set_one_in(&self, mean: u32) {
        self.one_in.store(mean.max(1), Relaxed);
    }
}

#[inline]
fn next(mean: u32) -> Gap {
    let left = if mean <= 1 { 1 } else { drawn(mean) };
    Gap { left, mean }
}

#[cold]
fn drawn(mean: u32) -> u32 {
    thread_local! {
        static LOT: Cell<u64> = Cell::new(super::seed() | 1);
    }
    LOT.with(|lot| {
        let mut x = lot.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        lot.set(x);
        1 + (x >> 33) as u32 % (2 * mean - 1)
    })
}

/// Finds the mean gap from the samples that came. Time is an argument.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began_ms: u64,
    samples: u32,
    operations: f64,
}

impl Pace {
    /// A sample came that stands for so many operations. Some: the mean from now on.
    pub(super) fn took(&mut self, operations: u32, now_ms: u64) -> Option<u32> {
        self.samples += 1;
        self.operations += f64::from(operations);
        match self.samples >= SAMPLES_AT_ONCE {
            true => Some(self.ends(now_ms)),
            false => self.passed(now_ms),
        }
    }

    /// Time passed. Some: the mean from now on.
    pub(super) fn passed(&mut self, now_ms: u64) -> Option<u32> {
        (now_ms.saturating_sub(self.began_ms) >= ROUND_MS).then(|| self.ends(now_ms))
    }

    fn ends(&mut self, now_ms: u64) -> u32 {
        let passed_ms = now_ms.saturating_sub(self.began_ms).max(1);
        let per_second = self.operations * 1000.0 / passed_ms as f64;
        *self = Pace {
            began_ms: now_ms.max(self.began_ms),
            ..Pace::default()
        };
        (per_second / f64::from(SAMPLES_PER_SECOND_MAX)).ceil() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a load of so many operations a millisecond is sampled as, by one thread:
    /// samples, operations that they stand for.
    fn sampled(
        drawing: &Drawing,
        pace: &mut Pace,
        each_ms: u32,
        times_ms: std::ops::Range<u64>,
    ) -> (u32, u64) {
        let (mut samples, mut stand_for) = (0, 0);
        for now_ms in times_ms {
            for _ in 0..each_ms {
                if let Some(operations) = drawing.draw() {
                    samples += 1;
                    stand_for += u64::from(operations);
                    if let Some(mean) = pace.took(operations, now_ms) {
                        drawing.set_one_in(mean);
                    }
                }
            }
        }
        (samples, stand_for)
    }

    #[test]
    fn few_are_all_looked_at_and_of_many_no_more_than_the_bound() {
        let (drawing, mut pace) = (Drawing::default(), Pace::default());
        // 10,000 a second.
        let (samples, stand_for) = sampled(&drawing, &mut pace, 10, 1..1001);
        assert_eq!((samples, stand_for), (10_000, 10_000));
        // 1,000,000 a second: the first few milliseconds may be too many.
        let (samples, stand_for) = sampled(&drawing, &mut pace, 1000, 1001..3001);
        assert!(
            samples < 2 * SAMPLES_PER_SECOND_MAX + 2 * SAMPLES_AT_ONCE,
            "{samples}"
        );
        assert!(samples > SAMPLES_PER_SECOND_MAX, "{samples}");
        let part = stand_for as f64 / 2_000_000.0;
        assert!(
            (0.97..1.03).contains(&part),
            "they stand for {part} of the load"
        );
        // And 200 a second again: what was drawn for the load before holds nobody up.
        for now_ms in [3100, 3200] {
            drawing.set_one_in(pace.passed(now_ms).unwrap());
        }
        assert_eq!(drawing.one_in(), 1);
        let seen = (0..200).filter(|_| drawing.draw().is_some()).count();
        assert!(seen >= 199, "{seen} of 200");
    }

    #[test]
    fn a_silent_round_ends_the_sampling() {
        let mut pace = Pace::default();
        assert_eq!(pace.took(640, 1000), Some(1), "one sample in a second");
        assert_eq!(pace.passed(1050), None);
        assert_eq!(pace.passed(1100), Some(0), "nothing came");
    }
}
