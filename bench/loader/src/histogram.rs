//! Latencies in buckets of about 1.6 % width, from microseconds to minutes. Pure.

/// Buckets of each doubling.
const STEPS: usize = 64;
/// Doublings beyond the first `STEPS` microseconds.
const DOUBLINGS: usize = 24;

/// Counts by microseconds; exact below 64 us.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; STEPS * (DOUBLINGS + 1)],
            total: 0,
            max_us: 0,
        }
    }

    pub(crate) fn record(&mut self, us: u64) {
        self.counts[bucket(us)] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The upper end of the bucket that holds this share of all; 0 where there is nothing.
    pub(crate) fn quantile_us(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_us(at).min(self.max_us);
            }
        }
        0
    }

    /// `[upper end in us, count]` of each bucket that holds something, as JSON.
    pub(crate) fn to_json(&self) -> String {
        let held = self
            .counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0);
        let pairs: Vec<String> = held
            .map(|(at, count)| format!("[{}, {count}]", upper_us(at)))
            .collect();
        format!("[{}]", pairs.join(", "))
    }
}

fn bucket(us: u64) -> usize {
    let us = us as usize;
    if us < STEPS {
        return us;
    }
    let doubling = (us / STEPS).ilog2() as usize;
    let at = STEPS * (doubling + 1) + (us >> doubling) - STEPS;
    at.min(STEPS * (DOUBLINGS + 1) - 1)
}

/// The highest microsecond that falls into a bucket.
fn upper_us(at: usize) -> u64 {
    if at < STEPS {
        return at as u64;
    }
    let (doubling, step) = (at / STEPS - 1, at % STEPS);
    (((STEPS + step + 1) << doubling) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket, upper_us};

    #[test]
    fn every_latency_falls_into_a_bucket_that_is_close_to_it() {
        for us in (0..5000).chain([65_535, 65_536, 1_000_000, 59_999_999]) {
            let upper = upper_us(bucket(us));
            assert!(upper >= us, "{us}: {upper}");
            assert!(upper as f64 <= us as f64 * 1.016 + 1.0, "{us}: {upper}");
            assert!(us == 0 || bucket(us - 1) <= bucket(us));
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_latencies() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(0.5), 0);
        for us in 1..=50 {
            histogram.record(us);
        }
        histogram.record(1000);
        assert_eq!(histogram.quantile_us(0.5), 26);
        assert_eq!(histogram.quantile_us(0.98), 50);
        assert_eq!(histogram.quantile_us(1.0), 1000);
        assert_eq!(histogram.total, 51);
    }

    #[test]
    fn json_names_what_is_held() {
        let mut histogram = Histogram::new();
        histogram.record(3);
        histogram.record(3);
        histogram.record(9);
        assert_eq!(histogram.to_json(), "[[3, 2], [9, 1]]");
    }
}
