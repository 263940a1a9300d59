//! What each policy promises about who stays.

use shoal_engine::{Engine, Eviction, Now, Settings, Write};

struct Cache {
    engine: Engine,
    lot: u64,
}

impl Cache {
    fn new(eviction: Eviction, maxmemory_bytes: usize) -> Cache {
        let engine = Engine::new(Settings {
            partition_count: 1,
            maxmemory_bytes,
            eviction,
            key_bytes_max: 64,
            value_bytes_max: 1024,
            hash_seed: 21,
        });
        engine.open(0, 1).unwrap();
        Cache {
            engine,
            lot: 0x1234_5678_9ABC_DEF1,
        }
    }

    fn set(&self, key: u64) {
        let write = Write {
            value: &[1; 100],
            ttl_ms: 0,
            absent: false,
            condition: None,
        };
        self.engine
            .set(0, &key.to_le_bytes(), write, Now(1))
            .unwrap();
    }

    fn has(&self, key: u64) -> bool {
        self.engine
            .get(0, &key.to_le_bytes(), Now(1), |_| ())
            .unwrap()
            .is_some()
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
        self.engine.validate(0).unwrap();
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
    for round in 0..200_u64 {
        for key in 0..1000 {
            // A working set that fits beside nothing else, and moves slowly.
            cache.ask(10_000 + round * 20 + key);
        }
    }
    let stale = (0..500).filter(|&key| cache.has(key)).count();
    assert!(stale < 100, "{stale}");
}
