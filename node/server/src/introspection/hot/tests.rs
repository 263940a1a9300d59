//! The table against exact counts, on streams with explicit time.

use std::collections::HashMap;

use super::*;

struct Lot(u64);

impl Lot {
    fn of(seed: u64) -> Lot {
        Lot(seed.wrapping_mul(0x1234_5678_9ABC_DEF1))
    }

    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The sums of Zipf's law, for draws from 0 to `count`.
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

fn hash(key: u64) -> u64 {
    (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn record(sketch: &mut Sketch, key: u64, operations: u32, now_ms: u64) {
    let sample = Sample {
        hash: hash(key),
        key: &key.to_le_bytes(),
        partition: 3,
        is_read: key.is_multiple_of(2),
        operations,
    };
    sketch.record(sample, now_ms);
}

#[test]
fn on_zipf_streams_all_is_counted_but_one_at_most() {
    for (seed, exponent) in [(1, 0.8), (2, 1.0), (3, 1.2), (4, 0.5)] {
        let weights = zipf(exponent, 20_000);
        let mut lot = Lot::of(seed);
        let mut sketch = Sketch::default();
        let mut exact: HashMap<u64, f64> = HashMap::new();
        // 16,000 a second, which are all looked at.
        for now_ms in 1..=3000_u64 {
            for _ in 0..16 {
                let unit = lot.unit();
                let key = weights.partition_point(|&w| w < unit) as u64;
                *exact.entry(key).or_default() += 1.0 / left_after_ms(now_ms);
                record(&mut sketch, key, 1, now_ms);
            }
        }
        sketch.settle(3000);
        assert!(sketch.counted.len() < KEYS_MAX);
        for (key, count) in exact {
            let count = count * left_after_ms(3000);
            let told = sketch.counted.get(&hash(key)).map_or(0.0, |it| it.count);
            assert!(told <= count + 1e-6, "seed {seed}: {told} of {count}");
            assert!(told >= count - 1.0, "seed {seed}: {told} of {count}");
        }
        let steady = 16_000.0 * (1.0 - left_after_ms(3000));
        let told = sketch.per_second(sketch.total) * (1.0 - left_after_ms(2999));
        assert!((told / steady - 1.0).abs() < 0.01, "{told} of {steady}");
    }
}

/// A load on `keys` keys alike, and from the third second on one more at ten times their
/// rate. What is told of that one a second later: its rate, the others' mean.
fn ten_times_the_mean(keys: u64, each_ms: u32, one_in: u32, seed: u64) -> (f64, f64) {
    let mut lot = Lot::of(seed);
    let mut sketch = Sketch::default();
    let hot = keys;
    for now_ms in 1..=3000_u64 {
        for _ in 0..each_ms {
            let among = if now_ms > 2000 { keys + 10 } else { keys };
            let key = ((lot.unit() * among as f64) as u64).min(hot);
            if lot.unit() * f64::from(one_in) < 1.0 {
                record(&mut sketch, key, one_in, now_ms);
            }
        }
    }
    sketch.one_in = one_in;
    sketch.settle(3000);
    let heat = sketch.heat(0.0);
    let found = heat.warm.iter().find(|it| it.hash == hash(hot)).copied();
    let found = found.expect("it is in the table");
    let told = found.reads_per_second + found.writes_per_second;
    let others = (heat.per_second - told) / (heat.keys - 1) as f64;
    (told - found.error_per_second, others)
}

#[test]
fn ten_times_the_mean_is_more_than_five_times_within_a_second() {
    // Keys, operations a millisecond, of which one in so many is looked at.
    let loads = [
        (10, 1, 1),
        (100, 2, 1),
        (400, 16, 1),
        (200, 50, 4),
        (1200, 1000, 62),
    ];
    for (keys, each_ms, one_in) in loads {
        for seed in 1..=5 {
            let (told, others) = ten_times_the_mean(keys, each_ms, one_in, seed);
            assert!(
                told > 5.0 * others,
                "{keys} keys, seed {seed}: {told}, {others}"
            );
        }
    }
}

#[test]
fn the_error_that_is_told_covers_sampling() {
    let (mut within, mut of) = (0, 0);
    for seed in 1..=20 {
        let mut lot = Lot::of(seed);
        let mut sketch = Sketch::default();
        for now_ms in 1..=4000_u64 {
            for draw in 0..40 {
                if lot.unit() * 8.0 < 1.0 {
                    record(&mut sketch, draw % 10, 8, now_ms);
                }
            }
        }
        sketch.one_in = 8;
        sketch.settle(4000);
        for warm in sketch.heat(0.0).warm {
            let told = warm.reads_per_second + warm.writes_per_second;
            of += 1;
            within += usize::from((told - 4000.0).abs() <= warm.error_per_second);
        }
    }
    assert!(within * 100 >= of * 90, "{within} of {of}");
}

#[test]
fn a_key_that_cools_leaves_and_the_rates_are_those_of_the_load() {
    let hot = HotKeys::default();
    let feed = |key: u64, from_ms: u64, to_ms: u64| {
        let mut sketch = hot.sketch.lock();
        for now_ms in from_ms..to_ms {
            record(&mut sketch, key, 2, now_ms);
        }
    };
    feed(2, 0, 10_000);
    let found = hot.read(10, 10_000);
    assert!((found[0].per_second - 2000.0).abs() < 20.0, "{found:?}");
    assert_eq!((found[0].partition, found[0].reads_part), (3, 1.0));
    feed(1, 10_000, 11_000);
    let found = hot.read(10, 11_000);
    assert_eq!(found[0].key, 1_u64.to_le_bytes()[..]);
    assert_eq!(found[0].reads_part, 0.0);
    assert!((found[0].per_second - 1500.0).abs() < 20.0, "{found:?}");
    assert!((found[1].per_second - 500.0).abs() < 20.0, "{found:?}");
    let heat = hot.heat(100.0, 11_000);
    assert_eq!((heat.keys, heat.warm.len()), (2, 1));
    assert!(hot.read(10, 30_000).is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut sketch = Sketch::default();
    let long = [0; 5000];
    for _ in 0..5 {
        for key in 0..20_000_u64 {
            let sample = Sample {
                hash: hash(key),
                key: &long,
                partition: 0,
                is_read: true,
                operations: 1,
            };
            sketch.record(sample, 1);
        }
    }
    assert_eq!((sketch.counted.len(), sketch.named), (KEYS_MAX, NAMES_MAX));
    let named = sketch.counted.values().filter_map(|it| it.key.as_ref());
    assert_eq!(named.clone().count(), NAMES_MAX);
    assert!(named.into_iter().all(|key| key.len() == KEY_BYTES_KEPT));
}
