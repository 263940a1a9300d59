//! A histogram of durations in fixed memory: exact counts in buckets that grow with
//! what they hold.
//!
//! Each power of two is cut into 16 buckets, as in an HDR histogram: below 32 ns a
//! bucket is one nanosecond wide, above it is at most a sixteenth of what it holds. A
//! quantile is told as its bucket's upper end, so it is never too low, and at most 6.25 %
//! too high. Buckets hold `(lower, upper]`, so that a power of two is always an end and
//! Prometheus' `le` is exact.
//!
//! Bounds: 528 buckets; what takes longer than 68.7 s counts as that.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PART_BITS: u32 = 4;
const PARTS: usize = 1 << PART_BITS;
/// Durations are told apart up to two to this, in nanoseconds.
const TOP_BITS: u32 = 36;
const BUCKETS: usize = (TOP_BITS - PART_BITS + 1) as usize * PARTS;

/// Ends of the coarse buckets that Prometheus is given: 1.024 us, and doubled up to 17 s.
const LE_BITS: std::ops::RangeInclusive<u32> = 10..=34;

/// Where threads count. Exact in sum.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_ns: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    #[inline]
    pub(super) fn record(&self, duration_ns: u64) {
        self.counts[bucket_of(duration_ns)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(duration_ns, Relaxed);
    }
}

/// What was counted: a histogram, or the sum of several.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    counts: Vec<u64>,
    sum_ns: u64,
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution {
            counts: vec![0; BUCKETS],
            sum_ns: 0,
        }
    }
}

impl Distribution {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.load(Relaxed);
        }
        self.sum_ns += histogram.sum_ns.load(Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The duration that this part of them did not exceed; 0 where there are none.
    pub(super) fn quantile_ns(&self, quantile: f64) -> u64 {
        let count = self.count();
        let wanted = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (bucket, here) in self.counts.iter().enumerate() {
            seen += here;
            if seen >= wanted {
                return upper_ns(bucket);
            }
        }
        0
    }

    /// For each coarse end in nanoseconds, how many were not longer.
    pub(super) fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut seen = 0;
        let mut bucket = 0;
        LE_BITS
            .map(|bits| {
                let end_ns = 1 << bits;
                while bucket < BUCKETS && upper_ns(bucket) <= end_ns {
                    seen += self.counts[bucket];
                    bucket += 1;
                }
                (end_ns, seen)
            })
            .collect()
    }
}

#[inline]
fn bucket_of(duration_ns: u64) -> usize {
    let below = duration_ns.saturating_sub(1).min((1 << TOP_BITS) - 1);
    let shift = (u64::BITS - (below >> PART_BITS | 1).leading_zeros()) - 1;
    shift as usize * PARTS + (below >> shift) as usize
}

fn upper_ns(bucket: usize) -> u64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    ((bucket - shift * PARTS) as u64 + 1) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for bucket in 0..BUCKETS {
            let upper = upper_ns(bucket);
            assert_eq!(bucket_of(upper), bucket);
            if bucket + 1 < BUCKETS {
                assert_eq!(bucket_of(upper + 1), bucket + 1);
                let width = upper_ns(bucket + 1) - upper;
                assert!(width == 1 || width * 16 <= upper, "{upper} + {width}");
            }
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(upper_ns(BUCKETS - 1), 1 << TOP_BITS);
    }

    /// A xorshift stream: durations over all magnitudes, the same in each run.
    fn durations(mut lot: u64, count: usize) -> Vec<u64> {
        let mut next = move || {
            lot ^= lot << 13;
            lot ^= lot >> 7;
            lot ^= lot << 17;
            lot
        };
        (0..count)
            .map(|_| {
                let magnitude = next() % 34;
                (next() & ((2 << magnitude) - 1)).max(1)
            })
            .collect()
    }

    #[test]
    fn quantiles_are_never_too_low_and_at_most_a_sixteenth_too_high() {
        for seed in 1..40_u64 {
            let mut all = durations(seed * 0x9E37_79B9, 2000);
            let histogram = Histogram::default();
            all.iter().for_each(|&d| histogram.record(d));
            let mut told = Distribution::default();
            told.add(&histogram);
            all.sort_unstable();
            assert_eq!(told.count(), 2000);
            assert_eq!(told.sum_ns(), all.iter().sum::<u64>());
            for quantile in [0.0_f64, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let at = ((2000.0 * quantile).ceil() as usize).max(1) - 1;
                let (exact, approximate) = (all[at], told.quantile_ns(quantile));
                assert!(
                    approximate >= exact && approximate - exact <= exact / 16,
                    "seed {seed}: {quantile} is {exact}, told as {approximate}"
                );
            }
            for (end_ns, seen) in told.cumulative() {
                let exact = all.iter().filter(|&&d| d <= end_ns).count() as u64;
                assert_eq!(seen, exact, "seed {seed}, up to {end_ns}");
            }
        }
    }

    #[test]
    fn nothing_recorded_is_nothing_told() {
        let told = Distribution::default();
        assert_eq!((told.count(), told.quantile_ns(0.99)), (0, 0));
        assert!(told.cumulative().iter().all(|&(_, seen)| seen == 0));
    }
}
