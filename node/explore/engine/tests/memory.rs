//! Partitions that want each other's memory: the bound, fairness, and no deadlock.

#[path = "../../schedules.rs"]
mod schedules;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use schedules::explore;
use shoal_engine::{Engine, Eviction, Now, Refused, SetOutcome, Settings, Write};
use shuttle::thread;

const PARTITIONS: u32 = 4;
const NOW: Now = Now(1000);

fn engine(eviction: Eviction, maxmemory_bytes: usize) -> Arc<Engine> {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 32 << 10,
        hash_seed: 5,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).unwrap();
    }
    Arc::new(engine)
}

fn set(engine: &Engine, partition: u32, key: u64, bytes: usize) -> Result<SetOutcome, Refused> {
    let value = vec![key as u8; bytes];
    let write = Write {
        value: &value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(partition, &key.to_le_bytes(), write, NOW)
}

/// Fills the memory with entries of one partition.
fn fill(engine: &Engine, partition: u32) {
    for key in 0..60 {
        set(engine, partition, 1 << 32 | key, 3000).unwrap();
    }
    assert!(engine.stats().evicted > 0, "there is room left");
}

fn is_sound(engine: &Engine) {
    for partition in 0..PARTITIONS {
        engine.validate(partition).unwrap();
    }
}

/// The account is never overdrawn, whoever looks, and what was charged comes back.
#[test]
fn memory_stays_within_its_bound() {
    explore(|| {
        let engine = engine(Eviction::None, 64 << 10);
        let writers: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let engine = Arc::clone(&engine);
                thread::spawn(move || {
                    for (key, bytes) in [(1, 9000), (2, 14_000), (1, 20_000), (3, 500)] {
                        let outcome = set(&engine, partition, key, bytes);
                        assert!(
                            matches!(outcome, Ok(_) | Err(Refused::MemoryFull)),
                            "{outcome:?}"
                        );
                        let stats = engine.stats();
                        assert!(stats.memory_bytes <= stats.maxmemory_bytes, "{stats:?}");
                    }
                    engine.delete(partition, &1_u64.to_le_bytes(), NOW).unwrap();
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        is_sound(&engine);
        let stats = engine.stats();
        assert!(stats.memory_bytes <= stats.maxmemory_bytes);
        assert!(
            stats.memory_full > 0,
            "the scenario is too small to mean anything"
        );
        for partition in 0..PARTITIONS {
            engine.close(partition);
        }
        assert_eq!(engine.stats().memory_bytes, engine.fixed_bytes() as u64);
    });
}

/// One partition holds everything, the others write at once: both get what they want,
/// from the one above its share, and nobody waits for anybody in a circle.
#[test]
fn who_is_below_its_share_is_served() {
    explore(|| {
        let engine = engine(Eviction::Lru, 168 << 10);
        fill(&engine, 0);
        let threads: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let engine = Arc::clone(&engine);
                thread::spawn(move || {
                    for key in 0..8 {
                        let outcome = set(&engine, partition, key, 2500);
                        assert!(matches!(outcome, Ok(SetOutcome::Applied(_))), "{outcome:?}");
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        is_sound(&engine);
        for partition in 1..PARTITIONS {
            for key in 0..8_u64 {
                let found = engine.get(partition, &key.to_le_bytes(), NOW, |entry| {
                    entry.value.len()
                });
                assert_eq!(
                    found,
                    Ok(Some(2500)),
                    "below its share, and yet it lost an entry"
                );
            }
        }
        assert_eq!(engine.stats().memory_full, 0);
    });
}

/// Two that have nothing left to give but to each other: whoever comes too late is
/// refused, and neither waits for the other for ever.
#[test]
fn two_that_want_each_others_memory_come_to_an_end() {
    explore(|| {
        // Room for two entries of 24 KB, and not for one of them and one of 32 KB.
        let fixed_bytes = engine(Eviction::Lru, 0).fixed_bytes();
        let engine = engine(Eviction::Lru, fixed_bytes + (52 << 10));
        let threads = [1, 2].map(|partition| {
            let engine = Arc::clone(&engine);
            set(&engine, partition, 0, 24_000).unwrap();
            thread::spawn(move || {
                for key in 1..3 {
                    let outcome = set(&engine, partition, key, 32_000);
                    assert!(
                        matches!(outcome, Ok(_) | Err(Refused::MemoryFull)),
                        "{outcome:?}"
                    );
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        is_sound(&engine);
        assert!(engine.stats().evicted >= 2);
    });
}

/// A partition closes while others take from it and write to it. Its memory belongs to
/// nobody until it is freed, so that a write may be refused at that moment; not later.
#[test]
fn a_donor_may_close_at_any_moment() {
    explore(|| {
        let engine = engine(Eviction::S3Fifo, 160 << 10);
        fill(&engine, 0);
        let is_closed = Arc::new(AtomicBool::new(false));
        let writer = |partition| {
            let (engine, is_closed) = (Arc::clone(&engine), Arc::clone(&is_closed));
            thread::spawn(move || {
                for key in 0..2 {
                    let was_closed = is_closed.load(SeqCst);
                    match set(&engine, partition, key, 6000) {
                        Ok(SetOutcome::Applied(_)) => {}
                        Err(Refused::MemoryFull) if !was_closed => {}
                        Err(Refused::NotOpen) if partition == 0 => {}
                        other => panic!("partition {partition}: {other:?}"),
                    }
                }
            })
        };
        let writers = [writer(0), writer(1), writer(2), writer(3)];
        engine.close(0);
        is_closed.store(true, SeqCst);
        engine.open(0, 2).unwrap();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        is_sound(&engine);
        assert_eq!(engine.stats().open_partitions, PARTITIONS);
    });
}
