//! What each policy promises about who stays.

use std::collections::HashMap;

use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now, Settings, Write};

struct Cache {
    engine: Engine,
    partitions: u32,
    lot: u64,
}

impl Cache {
    fn new(eviction: Eviction, maxmemory_bytes: usize) -> Cache {
        Cache::cut(eviction, 1, maxmemory_bytes)
    }

    /// In so many partitions; each may hold its tables beside its part of the memory.
    fn cut(eviction: Eviction, partitions: u32, maxmemory_bytes: usize) -> Cache {
        let engine = Engine::new(Settings {
            partition_count: partitions,
            maxmemory_bytes,
            eviction,
            key_bytes_max: 64,
            value_bytes_max: 1024,
            hash_seed: 21,
        });
        for partition in 0..partitions {
            engine.open(partition, 1).unwrap();
        }
        Cache {
            engine,
            partitions,
            lot: 0x1234_5678_9ABC_DEF1,
        }
    }

    fn set(&self, key: u64) {
        let write = Write {
            value: &[1; 100],
            ttl_ms: 0,
            absent: false,
            condition: None,
            ..Write::default()
        };
        self.engine
            .set(self.place(key), &key.to_le_bytes(), write, Now(1))
            .unwrap();
    }

    fn has(&self, key: u64) -> bool {
        self.engine
            .get(self.place(key), &key.to_le_bytes(), Now(1), |_| ())
            .unwrap()
            .is_some()
    }

    fn place(&self, key: u64) -> u32 {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32 % self.partitions
    }

    fn validate(&self) {
        for partition in 0..self.partitions {
            self.engine.validate(partition).unwrap();
        }
    }

    /// Read, and on a miss store: a cache-aside caller.
    fn ask(&self, key: u64) -> bool {
        let hit = self.has(key);
        if !hit {
            self.set(key);
        }
        hit
    }

    /// A key by Zipf's law with exponent 1, of `count`.
    fn zipf(&mut self, count: u64) -> u64 {
        self.lot ^= self.lot << 13;
        self.lot ^= self.lot >> 7;
        self.lot ^= self.lot << 17;
        let uniform = (self.lot >> 11) as f64 / (1_u64 << 53) as f64;
        (count as f64).powf(uniform) as u64
    }

    fn zipf_misses(&mut self, asked: usize) -> usize {
        let mut misses = 0;
        for number in 0..asked {
            let key = self.zipf(50_000);
            misses += usize::from(!self.ask(key) && number > asked / 4);
        }
        self.validate();
        misses
    }
}

#[test]
fn lru_keeps_what_was_used_last_in_exact_order() {
    let cache = Cache::new(Eviction::Lru, 256 << 10);
    for key in 0..1000 {
        cache.set(key);
    }
    assert_eq!(cache.engine.stats().evicted, 0);
    // The even ones are used again, so the odd ones are the older.
    assert!((0..1000).step_by(2).all(|key| cache.has(key)));
    for key in 10_000..20_000 {
        cache.set(key);
        if cache.engine.stats().evicted >= 300 {
            break;
        }
    }
    let evicted = cache.engine.stats().evicted;
    assert!((300..600).contains(&evicted), "{evicted}");
    let odd_left: Vec<u64> = (1..1000).step_by(2).filter(|&key| cache.has(key)).collect();
    let gone = 500 - odd_left.len();
    if evicted <= 500 {
        assert_eq!(gone as u64, evicted, "only odd ones, from the first on");
        assert!(odd_left.iter().all(|&key| key as usize >= 2 * gone));
    }
}

#[test]
fn a_scan_flushes_lru_alone() {
    let kept = |eviction, scanned: u64| {
        let cache = Cache::new(eviction, 256 << 10);
        for _ in 0..4 {
            (0..500).for_each(|key| _ = cache.ask(key));
        }
        (10_000..10_000 + scanned).for_each(|key| _ = cache.ask(key));
        (0..500).filter(|&key| cache.has(key)).count()
    };
    assert_eq!(kept(Eviction::Lru, 2500), 0);
    let by_s3fifo = kept(Eviction::S3Fifo, 30_000);
    assert!(by_s3fifo > 400, "{by_s3fifo}");
    // Frequency ages with each eviction, so a scan must not be as long here.
    let by_lfu = kept(Eviction::Lfu, 2500);
    assert!(by_lfu > 400, "{by_lfu}");
}

#[test]
fn on_zipf_s3fifo_and_lfu_miss_less_than_lru() {
    let misses = |eviction| Cache::new(eviction, 800 << 10).zipf_misses(200_000);
    let (lru, lfu, s3fifo) = (
        misses(Eviction::Lru),
        misses(Eviction::Lfu),
        misses(Eviction::S3Fifo),
    );
    assert!(s3fifo * 100 < lru * 92, "s3fifo {s3fifo}, lru {lru}");
    assert!(lfu * 100 < lru * 92, "lfu {lfu}, lru {lru}");
}

#[test]
fn what_was_popular_once_does_not_stay_in_lfu_for_ever() {
    let cache = Cache::new(Eviction::Lfu, 256 << 10);
    for _ in 0..50 {
        (0..500).for_each(|key| _ = cache.ask(key));
    }
    for round in 0..400_u64 {
        for key in 0..1000 {
            // A working set that fits beside nothing else, and moves slowly.
            cache.ask(10_000 + round * 20 + key);
        }
    }
    let stale = (0..500).filter(|&key| cache.has(key)).count();
    assert!(stale < 100, "{stale}");
}

/// The memory of a cache cut into 64 that holds about as much as one in one piece: each
/// partition has tables of its own.
fn cut_bytes(whole_bytes: usize) -> usize {
    let cache =
        |partitions, maxmemory_bytes| Cache::cut(Eviction::Lru, partitions, maxmemory_bytes);
    let held = |cache: Cache| {
        (0..64 * 100).for_each(|key| cache.set(key));
        cache.engine.stats().memory_bytes as usize
    };
    whole_bytes + held(cache(64, 64 << 20)) - held(cache(1, 64 << 20))
}

#[test]
fn a_cache_cut_into_many_partitions_misses_as_little_as_in_one_piece() {
    let whole_bytes = 512 << 10;
    let cut_bytes = cut_bytes(whole_bytes);
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let whole = Cache::new(eviction, whole_bytes).zipf_misses(120_000);
        let cut = Cache::cut(eviction, 64, cut_bytes).zipf_misses(120_000);
        // Some 50 entries in each.
        assert!(
            cut * 100 < whole * 106,
            "{eviction:?}: {cut} in 64 partitions, {whole} in one"
        );
    }
}

#[test]
fn lru_over_many_partitions_keeps_what_was_used_last() {
    let mut cache = Cache::cut(Eviction::Lru, 64, cut_bytes(256 << 10));
    let mut used = HashMap::new();
    for number in 0..60_000_u64 {
        let key = cache.zipf(20_000);
        cache.ask(key);
        used.insert(key, number);
    }
    cache.validate();
    let mut latest: Vec<(u64, u64)> = used.into_iter().map(|(key, at)| (at, key)).collect();
    latest.sort_unstable();
    let held = cache.engine.stats().entries as usize;
    let ideal = &latest[latest.len() - held..];
    let kept = ideal.iter().filter(|&&(_, key)| cache.has(key)).count();
    assert!(kept * 100 > held * 90, "{kept} of the {held} used last");
}

#[test]
fn who_comes_back_soon_after_it_was_evicted_is_kept_by_s3fifo() {
    let cache = Cache::new(Eviction::S3Fifo, 256 << 10);
    (0..4000).for_each(|key| _ = cache.ask(key));
    // The last that were new are evicted as new ones, and remembered.
    (10_000..10_400).for_each(|key| _ = cache.ask(key));
    let gone: Vec<u64> = (3000..4000).filter(|&key| !cache.has(key)).collect();
    assert!(gone.len() > 200, "{}", gone.len());
    gone.iter().for_each(|&key| cache.set(key));
    (20_000..21_000).for_each(|key| _ = cache.ask(key));
    let kept = gone.iter().filter(|&&key| cache.has(key)).count();
    assert!(kept * 10 > gone.len() * 8, "{kept} of {}", gone.len());
}

#[derive(Clone, Debug)]
enum Deed {
    Ask(u64),
    Overwrite(u64, usize),
    Delete(u64),
    /// The partition loses everything and begins anew.
    Reopen(u32),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = prop_oneof![2 => 0..20_u64, 2 => 0..400_u64, 1 => any::<u64>()];
    let deed = prop_oneof![
        8 => key.clone().prop_map(Deed::Ask),
        2 => (key.clone(), 0..1000_usize).prop_map(|(key, len)| Deed::Overwrite(key, len)),
        1 => key.prop_map(Deed::Delete),
        1 => (0..16_u32).prop_map(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is done, the queues and all that the partitions share of them hold, and a
    /// write that could fit is not refused.
    #[test]
    fn the_order_among_partitions_holds(deeds in deeds(), eviction in 0..3_usize) {
        let cache = Cache::cut(Eviction::ALL[eviction], 16, 64 << 10);
        for deed in deeds {
            match deed {
                Deed::Ask(key) => _ = cache.ask(key),
                Deed::Overwrite(key, len) => {
                    let value = vec![7; len];
                    let write = Write { value: &value, ttl_ms: 0, absent: false, condition: None, ..Write::default() };
                    let place = cache.place(key);
                    cache.engine.set(place, &key.to_le_bytes(), write, Now(1)).unwrap();
                }
                Deed::Delete(key) => {
                    let place = cache.place(key);
                    cache.engine.delete(place, &key.to_le_bytes(), Now(1)).unwrap();
                }
                Deed::Reopen(partition) => {
                    cache.engine.close(partition);
                    cache.engine.open(partition, 2).unwrap();
                }
            }
        }
        cache.validate();
    }
}
