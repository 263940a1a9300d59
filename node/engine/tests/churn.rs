//! The twin again, on thousands of keys: many segments, an index that grows and
//! shrinks, evictions by the thousand. Drawn by a fixed seed, so it is the same each time.

mod support;

use shoal_engine::{Engine, Eviction, Settings};
use support::twin::TAGS;
use support::{PARTITIONS, Step, Twin, Wanted};

const KEYS: u64 = 6000;

struct Lot(u64);

impl Lot {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

fn churn(eviction: Eviction, maxmemory_bytes: usize, may_lose: bool) -> shoal_engine::Stats {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 1,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).unwrap();
    }
    let mut twin = Twin::new(1, may_lose);
    let mut lot = Lot(0x5EED_5EED_5EED);
    for number in 0..60_000 {
        // It fills, is then mostly deleted from, then fills again.
        let shrinks = (20_000..40_000).contains(&number);
        let key = lot.below(KEYS) as u16;
        let step = match lot.below(20) {
            0..3 => Step::Get { key },
            3 => Step::Incr {
                key,
                delta: 3,
                initial: 5,
                ttl_ms: 0,
            },
            4 => Step::Touch {
                key,
                ttl_ms: lot.below(2) * lot.below(1_000_000),
            },
            5 => Step::Wait { ms: lot.below(40) },
            6 => Step::Reclaim {
                partition: lot.below(2) as u32,
                budget: 20,
            },
            7..14 if shrinks => Step::Delete { key },
            7 if lot.below(20) == 0 => Step::InvalidateTag {
                partition: lot.below(PARTITIONS.into()) as u32,
                tag: lot.below(TAGS.into()) as u8,
            },
            7 => Step::Delete { key },
            _ => {
                let len = match lot.below(50) {
                    0 => lot.below(20_000),
                    _ => lot.below(200),
                };
                let ttl_ms = lot.below(2) * lot.below(100_000);
                let value = vec![lot.below(256) as u8; len as usize];
                Step::Set {
                    key,
                    value,
                    ttl_ms,
                    absent: false,
                    condition: Wanted::Nothing,
                    fresh_ms: lot.below(3) * lot.below(10_000),
                    tags: (0..lot.below(3))
                        .map(|_| lot.below(TAGS.into()) as u8)
                        .collect(),
                }
            }
        };
        twin.apply(&engine, &step);
        if number % 2500 == 0 {
            for partition in 0..PARTITIONS {
                engine.validate(partition).unwrap();
            }
        }
        assert!(engine.stats().memory_bytes as usize <= maxmemory_bytes);
    }
    for partition in 0..PARTITIONS {
        engine.validate(partition).unwrap();
    }
    let stats = engine.stats();
    // Holes stay within what the module docs of the room say.
    assert!(stats.waste_bytes < stats.memory_bytes / 6, "{stats:?}");
    stats
}

#[test]
fn with_memory_enough() {
    let stats = churn(Eviction::S3Fifo, 64 << 20, false);
    assert_eq!((stats.evicted, stats.memory_full), (0, 0));
}

#[test]
fn s3fifo_in_a_third_of_the_memory() {
    let stats = churn(Eviction::S3Fifo, 700 << 10, true);
    assert!(stats.evicted > 1000 && stats.memory_full == 0, "{stats:?}");
    assert!(stats.memory_bytes > (700 << 10) * 9 / 10, "{stats:?}");
}

#[test]
fn lru_in_a_third_of_the_memory() {
    let stats = churn(Eviction::Lru, 700 << 10, true);
    assert!(stats.evicted > 1000 && stats.memory_full == 0, "{stats:?}");
}

#[test]
fn lfu_in_a_third_of_the_memory() {
    let stats = churn(Eviction::Lfu, 700 << 10, true);
    assert!(stats.evicted > 1000 && stats.memory_full == 0, "{stats:?}");
}

#[test]
fn without_eviction_writes_are_refused_and_nothing_is_lost() {
    let stats = churn(Eviction::None, 700 << 10, false);
    assert!(stats.evicted == 0 && stats.memory_full > 1000, "{stats:?}");
}
