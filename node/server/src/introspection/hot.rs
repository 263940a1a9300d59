//! The hottest keys: Space-Saving over a sample of the operations, with decay.
//!
//! One operation in 64, drawn at random by each thread, is counted in a table of 256
//! keys. A key that is not in it takes the place, and the count, of the least; that
//! count is its *error*: how much of it may be other keys'. Counts halve every ten
//! seconds, so that a key that cools leaves.
//!
//! With N for the sum of what was counted, decayed alike: a key's true count lies
//! within `count - error ..= count`; every key with more than N/256 is in the table; no
//! error is above N/256. On top comes the sampling: a key that was drawn n times has a
//! relative standard error of about 1/sqrt(n).
//!
//! A thread that finds the table taken lets its sample go: nobody waits here.
//!
//! Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements
//! in data streams", ICDT 2005.

use std::cell::Cell;

use bytes::Bytes;
use parking_lot::Mutex;

use super::KEY_BYTES_KEPT;

/// Keys in the table.
pub(super) const KEYS_MAX: usize = 256;
/// One operation in so many is looked at.
pub(super) const SAMPLED_ONE_IN: u32 = 64;
/// Counts halve in this time.
pub(super) const HALF_LIFE_MS: u64 = 10_000;
/// Counts are made smaller this often at most.
const DECAY_EVERY_MS: u64 = 500;
/// What is left of a key that is forgotten, in samples.
const FORGOTTEN_BELOW: f64 = 0.05;

/// A key that is used much.
#[derive(Clone, Debug, PartialEq)]
pub struct HotKey {
    /// The key, cut at 1 KiB.
    pub key: Bytes,
    /// Its partition.
    pub partition: u32,
    /// Operations a second, at most.
    pub per_second: f64,
    /// By how much `per_second` may be too high, beside the noise of sampling.
    pub error_per_second: f64,
    /// The part of them that are reads.
    pub reads_part: f64,
}

#[derive(Debug, Default)]
pub(super) struct HotKeys {
    sketch: Mutex<Sketch>,
}

/// The table, without sampling and locks.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// Hashes apart from the rest: every sample looks through them.
    hashes: Vec<u64>,
    counted: Vec<Counted>,
    decayed_at_ms: u64,
    total: f64,
}

#[derive(Clone, Debug)]
struct Counted {
    key: Bytes,
    partition: u32,
    count: f64,
    error: f64,
    reads: f64,
}

impl HotKeys {
    pub(super) fn record(&self, hash: u64, key: &[u8], partition: u32, is_read: bool, now_ms: u64) {
        if let Some(mut sketch) = self.sketch.try_lock() {
            sketch.record(hash, key, partition, is_read, now_ms);
        }
    }

    /// The hottest, first.
    pub(super) fn read(&self, count: usize, now_ms: u64) -> Vec<HotKey> {
        let mut sketch = self.sketch.lock();
        sketch.decay(now_ms);
        let mut found: Vec<HotKey> = sketch.counted.iter().map(HotKey::from).collect();
        drop(sketch);
        found.sort_by(|a, b| {
            let by_rate = b.per_second.total_cmp(&a.per_second);
            by_rate.then_with(|| a.key.cmp(&b.key))
        });
        found.truncate(count);
        found
    }
}

impl Sketch {
    pub(super) fn record(
        &mut self,
        hash: u64,
        key: &[u8],
        partition: u32,
        is_read: bool,
        now_ms: u64,
    ) {
        if now_ms.saturating_sub(self.decayed_at_ms) >= DECAY_EVERY_MS {
            self.decay(now_ms);
        }
        self.total += 1.0;
        let read = if is_read { 1.0 } else { 0.0 };
        if let Some(at) = self.hashes.iter().position(|&known| known == hash) {
            self.counted[at].count += 1.0;
            self.counted[at].reads += read;
            return;
        }
        let kept = &key[..key.len().min(KEY_BYTES_KEPT)];
        let new = |count, error| Counted {
            key: Bytes::copy_from_slice(kept),
            partition,
            count,
            error,
            // Of the inherited part nothing is known: it counts as this one does.
            reads: read * count,
        };
        if self.counted.len() < KEYS_MAX {
            self.hashes.push(hash);
            self.counted.push(new(1.0, 0.0));
            return;
        }
        let counts = self.counted.iter().map(|it| it.count).enumerate();
        let (least, count) =
            counts.fold(
                (0, f64::INFINITY),
                |least, it| {
                    if it.1 < least.1 { it } else { least }
                },
            );
        self.hashes[least] = hash;
        self.counted[least] = new(count + 1.0, count);
    }

    /// Makes every count smaller by the time that went by since the last time.
    fn decay(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.decayed_at_ms);
        self.decayed_at_ms = self.decayed_at_ms.max(now_ms);
        let left = 0.5_f64.powf(passed_ms as f64 / HALF_LIFE_MS as f64);
        self.total *= left;
        for counted in &mut self.counted {
            counted.count *= left;
            counted.error *= left;
            counted.reads *= left;
        }
        let mut keep = self.counted.iter().map(|it| it.count >= FORGOTTEN_BELOW);
        self.hashes.retain(|_| keep.next().unwrap_or(true));
        self.counted.retain(|it| it.count >= FORGOTTEN_BELOW);
    }
}

impl From<&Counted> for HotKey {
    fn from(counted: &Counted) -> HotKey {
        // At a steady rate r the decayed count settles at r * half-life / ln 2.
        let per_second =
            f64::from(SAMPLED_ONE_IN) * std::f64::consts::LN_2 / (HALF_LIFE_MS as f64 / 1000.0);
        HotKey {
            key: counted.key.clone(),
            partition: counted.partition,
            per_second: counted.count * per_second,
            error_per_second: counted.error * per_second,
            reads_part: counted.reads / counted.count,
        }
    }
}

/// Whether this thread's operation is one of those that are looked at. Gaps are drawn
/// from 1 to twice the mean, so that no rhythm of the load hides a key.
#[inline]
pub(super) fn is_drawn() -> bool {
    thread_local! {
        static LEFT: Cell<u32> = const { Cell::new(1) };
    }
    LEFT.with(|left| {
        let now = left.get() - 1;
        left.set(now);
        if now == 0 {
            left.set(gap());
        }
        now == 0
    })
}

#[cold]
fn gap() -> u32 {
    thread_local! {
        static LOT: Cell<u64> = Cell::new(super::seed() | 1);
    }
    LOT.with(|lot| {
        let mut x = lot.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        lot.set(x);
        1 + (x >> 33) as u32 % (2 * SAMPLED_ONE_IN - 1)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Lot(u64);

    impl Lot {
        fn unit(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Draws from 0 to `count` by Zipf's law.
    fn zipf(exponent: f64, count: usize) -> Vec<f64> {
        let mut sum = 0.0;
        let weights: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        weights.iter().map(|weight| weight / sum).collect()
    }

    fn record(sketch: &mut Sketch, key: u64, now_ms: u64) {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sketch.record(hash, &key.to_le_bytes(), 0, true, now_ms);
    }

    #[test]
    fn on_zipf_streams_the_bounds_hold() {
        for (seed, exponent) in [(1, 0.8), (2, 1.0), (3, 1.2), (4, 1.0), (5, 0.5)] {
            let weights = zipf(exponent, 20_000);
            let mut lot = Lot(seed * 0x1234_5678_9ABC_DEF1);
            let mut sketch = Sketch::default();
            let mut exact: HashMap<u64, f64> = HashMap::new();
            for _ in 0..60_000 {
                let unit = lot.unit();
                let key = weights.partition_point(|&w| w < unit) as u64;
                *exact.entry(key).or_default() += 1.0;
                record(&mut sketch, key, 0);
            }
            let bound = sketch.total / KEYS_MAX as f64;
            assert!((sketch.total - 60_000.0).abs() < 1e-6);
            assert_eq!(sketch.counted.len(), KEYS_MAX);
            let mut told = HashMap::new();
            for counted in &sketch.counted {
                let key = u64::from_le_bytes(counted.key[..].try_into().unwrap());
                let count = exact[&key];
                assert!(counted.count >= count, "seed {seed}: told too low");
                assert!(counted.count - counted.error <= count, "seed {seed}");
                assert!(counted.error <= bound, "seed {seed}");
                told.insert(key, counted.count);
            }
            let missing = exact
                .iter()
                .filter(|(key, count)| **count > bound && !told.contains_key(key));
            assert_eq!(missing.count(), 0, "seed {seed}: a hot key is missing");
        }
    }

    #[test]
    fn a_key_that_cools_leaves_and_the_rates_are_those_of_the_load() {
        let hot = HotKeys::default();
        let feed = |key: u64, from_ms: u64, to_ms: u64| {
            // A sample every 10 ms: 6,400 operations a second.
            for now_ms in (from_ms..to_ms).step_by(10) {
                hot.record(key, &key.to_le_bytes(), 3, key == 1, now_ms);
            }
        };
        feed(1, 0, 100_000);
        let found = hot.read(10, 100_000);
        assert!((found[0].per_second - 6400.0).abs() < 200.0, "{found:?}");
        assert!((found[0].error_per_second, found[0].reads_part) == (0.0, 1.0));
        feed(2, 100_000, 130_000);
        let found = hot.read(10, 130_000);
        assert_eq!(found[0].key, 2_u64.to_le_bytes()[..]);
        assert_eq!((found[0].partition, found[0].reads_part), (3, 0.0));
        assert!((found[1].per_second - 800.0).abs() < 50.0, "{found:?}");
        assert!(hot.read(10, 400_000).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut sketch = Sketch::default();
        for key in 0..10_000_u64 {
            sketch.record(key, &vec![0; 5000], 0, true, key);
        }
        assert_eq!(
            (sketch.hashes.len(), sketch.counted.len()),
            (KEYS_MAX, KEYS_MAX)
        );
        assert!(
            sketch
                .counted
                .iter()
                .all(|it| it.key.len() == KEY_BYTES_KEPT)
        );
    }

    #[test]
    fn one_in_so_many_is_drawn() {
        let drawn = (0..640_000).filter(|_| is_drawn()).count();
        assert!((9_000..11_000).contains(&drawn), "{drawn} of 640,000");
    }
}
