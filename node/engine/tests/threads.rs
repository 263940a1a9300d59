//! Many threads on few partitions with little memory; every invariant at the end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use shoal_engine::{Engine, Eviction, Increment, Next, Now, Refused, SetOutcome, Settings, Write};

const PARTITIONS: u32 = 4;
const THREADS: u64 = 4;

fn engine(eviction: Eviction, maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 64 << 10,
        hash_seed: 11,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).unwrap();
    }
    engine
}

/// A value names its key, so that a reader can tell a foreign one.
fn value(key: u64, len: usize) -> Vec<u8> {
    key.to_le_bytes()
        .into_iter()
        .cycle()
        .take(len.max(8))
        .collect()
}

fn hammer(engine: &Engine, thread: u64, clock: &AtomicU64) {
    let mut lot = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
    for _ in 0..20_000 {
        lot ^= lot << 13;
        lot ^= lot >> 7;
        lot ^= lot << 17;
        let now = Now(clock.fetch_add(1, Relaxed));
        let key = lot >> 8 & 0x7FF;
        let partition = (key % u64::from(PARTITIONS)) as u32;
        let name = key.to_le_bytes();
        match lot >> 40 & 15 {
            0..6 => {
                let read = |entry: shoal_engine::Entry<'_>| entry.value.to_vec();
                if let Ok(Some(found)) = engine.get(partition, &name, now, read) {
                    assert_eq!(found, value(key, found.len()));
                }
            }
            6..12 => {
                let len = if lot >> 50 & 31 == 0 {
                    30_000
                } else {
                    (lot >> 50) as usize % 300
                };
                let ttl_ms = (lot >> 44 & 1) * (lot >> 20 & 0xFFFF);
                let value = value(key, len);
                let write = Write {
                    value: &value,
                    ttl_ms,
                    absent: false,
                    condition: None,
                    ..Write::default()
                };
                match engine.set(partition, &name, write, now) {
                    Ok(SetOutcome::Applied(_)) | Err(Refused::NotOpen | Refused::MemoryFull) => {}
                    other => panic!("{other:?}"),
                }
            }
            12 => drop(engine.delete(partition, &name, now)),
            13 => drop(engine.touch(partition, &name, lot & 0xFFF, now)),
            14 => drop(engine.reclaim_expired(partition, now, 100)),
            _ if lot >> 52 == 0 => {
                engine.close(partition);
                // Another thread may have been quicker.
                let _ = engine.open(partition, 2);
            }
            _ => assert!(engine.stats().memory_bytes <= engine.stats().maxmemory_bytes),
        }
    }
}

#[test]
fn every_invariant_holds_after_a_storm() {
    for eviction in [
        Eviction::S3Fifo,
        Eviction::Lru,
        Eviction::Lfu,
        Eviction::None,
    ] {
        let engine = engine(eviction, 256 << 10);
        let clock = AtomicU64::new(1);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (engine, clock) = (&engine, &clock);
                scope.spawn(move || hammer(engine, thread, clock));
            }
        });
        for partition in 0..PARTITIONS {
            engine.validate(partition).unwrap();
        }
        let stats = engine.stats();
        assert!(stats.memory_bytes <= stats.maxmemory_bytes);
        assert!(
            stats.entries > 0 && (stats.evicted > 0) == (eviction != Eviction::None),
            "{stats:?}"
        );
        for partition in 0..PARTITIONS {
            engine.close(partition);
        }
        assert_eq!(engine.stats().memory_bytes, engine.fixed_bytes() as u64);
    }
}

#[test]
fn no_increment_is_lost() {
    let engine = engine(Eviction::S3Fifo, 16 << 20);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for number in 0..5000 {
                    let add = Increment {
                        delta: 1,
                        initial: 0,
                        ttl_ms: 0,
                    };
                    engine
                        .incr(number % PARTITIONS, b"counter", add, Now(1))
                        .unwrap();
                }
            });
        }
    });
    for partition in 0..PARTITIONS {
        let total = engine
            .get(partition, b"counter", Now(1), |e| e.value.to_vec())
            .unwrap();
        assert_eq!(
            total.unwrap(),
            (THREADS * 5000 / u64::from(PARTITIONS))
                .to_string()
                .into_bytes()
        );
    }
}

/// Who looks ahead while another reads has both know that they are not alone; then two read
/// the same entry at the same time, and neither waits for the other.
#[test]
fn readers_of_a_hot_key_go_in_side_by_side() {
    const NOW: Now = Now(1000);
    let engine = engine(Eviction::S3Fifo, 1 << 20);
    let write = |value| Write {
        value,
        ..Write::default()
    };
    engine.set(0, b"hot", write(b"first"), NOW).unwrap();
    let crowd = |key: &[u8]| {
        let look = |_: shoal_engine::Entry<'_>| _ = engine.chain_at(0, engine.hash(key));
        assert_eq!(engine.get(0, key, NOW, look), Ok(Some(())));
    };
    // Twice, and the policy does not care for more.
    engine.get(0, b"hot", NOW, |_| ()).unwrap();
    crowd(b"hot");
    let inside = AtomicU64::new(0);
    let meet = |entry: shoal_engine::Entry<'_>| {
        inside.fetch_add(1, Relaxed);
        let deadline = Instant::now() + Duration::from_secs(10);
        while inside.load(Relaxed) < 2 && Instant::now() < deadline {
            thread::yield_now();
        }
        (inside.load(Relaxed), entry.value.to_vec())
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let met = engine.get(0, b"hot", NOW, meet);
                assert_eq!(met, Ok(Some((2, b"first".to_vec()))));
            });
        }
    });
    // A write, a miss, and a key that the policy still counts: each is as ever.
    engine.set(0, b"hot", write(b"second"), NOW).unwrap();
    engine.set(0, b"cold", write(b"third"), NOW).unwrap();
    let read = |key: &[u8]| {
        crowd(b"hot");
        engine.get(0, key, NOW, |entry| entry.value.to_vec())
    };
    assert_eq!(read(b"hot"), Ok(Some(b"second".to_vec())));
    assert_eq!(read(b"cold"), Ok(Some(b"third".to_vec())));
    assert_eq!(read(b"none"), Ok(None));
    let stats = engine.stats();
    assert_eq!((stats.hits, stats.misses), (9, 1));
    engine.validate(0).unwrap();
    engine.close(0);
    assert_eq!(engine.stats().hits, 9);
}

/// A read that is under way holds the lock: whoever fetches ahead for another one goes on.
#[test]
fn fetching_ahead_does_not_wait_for_who_is_in_the_partition() {
    const NOW: Now = Now(1000);
    let engine = engine(Eviction::S3Fifo, 1 << 20);
    let write = Write {
        value: b"v",
        ..Write::default()
    };
    engine.set(0, b"k", write, NOW).unwrap();
    let hash = engine.hash(b"k");
    let look = || {
        let lies = [engine.chain_at(0, hash), engine.slot_at(0, hash)];
        let entries = [0, 1].map(|passed| match engine.entry_at(0, hash, b"k", passed) {
            Next::Beginning((at, bytes)) => ("beginning", at.is_null(), bytes),
            Next::Found((at, bytes)) => ("found", at.is_null(), bytes),
            Next::Nothing => ("nothing", true, 0),
        });
        let lies = lies.map(|(at, bytes)| (at.is_null(), bytes > 0));
        (lies, entries)
    };
    // The entry has a header of 17 bytes, two lengths, key and value, and is made even.
    let seen = [("beginning", false, 128), ("found", false, 22)];
    assert_eq!(look(), ([(false, true); 2], seen));
    let nothing = ([(true, false); 2], [("nothing", true, 0); 2]);
    assert_eq!(engine.get(0, b"k", NOW, |_| look()), Ok(Some(nothing)));
    assert_eq!(engine.partition_at(0).1, 8 * 64, "lines, of 18 that it has");
}

/// Whoever goes along the chain comes to the key's own entry, wherever it stands there, and
/// is told that there is nothing behind it, or that there is no such key.
#[test]
fn fetching_ahead_goes_along_a_chain_to_the_keys_own_entry() {
    const NOW: Now = Now(1000);
    // There are 128 chains.
    const KEYS: u32 = 250;
    let engine = engine(Eviction::S3Fifo, 1 << 20);
    for key in 0..KEYS {
        let write = Write {
            value: &[7; 300],
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, NOW).unwrap();
    }
    let mut longest = 0;
    for key in 0..2 * KEYS {
        let key = &key.to_le_bytes();
        let hash = engine.hash(key);
        let mut passed = 0;
        let found = loop {
            match engine.entry_at(0, hash, key, passed) {
                Next::Beginning((at, bytes)) => assert!(!at.is_null() && bytes > 0),
                Next::Found(whole) => break Some(whole),
                Next::Nothing => break None,
            }
            passed += 1;
        };
        longest = longest.max(passed);
        assert_eq!(engine.entry_at(0, hash, key, passed + 1), Next::Nothing);
        let value = engine.get(0, key, NOW, |entry| entry.value.as_ptr_range());
        match (found, value.unwrap()) {
            (Some((at, bytes)), Some(value)) => {
                assert!(at < value.start && value.end as usize <= at as usize + bytes);
            }
            (found, value) => assert_eq!((found, value), (None, None)),
        }
    }
    assert!(longest > 2, "{longest}");
}
