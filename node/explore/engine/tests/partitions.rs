//! One partition under many threads: its lock orders everything that it promises.

#[path = "../../schedules.rs"]
mod schedules;

use std::sync::{Arc, Mutex};

use schedules::explore;
use shoal_engine::{
    Condition, Engine, Eviction, Increment, Now, Refused, SetOutcome, Settings, Version, Write,
};
use shuttle::sync::atomic::{AtomicU64, Ordering::SeqCst};
use shuttle::thread;

const KEY: &[u8] = b"key";
const NOW: Now = Now(1000);

fn engine(maxmemory_bytes: usize) -> Arc<Engine> {
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 8 << 10,
        hash_seed: 5,
    });
    engine.open(0, 1).unwrap();
    Arc::new(engine)
}

fn set(engine: &Engine, value: &[u8], condition: Option<Condition>) -> Result<SetOutcome, Refused> {
    let write = Write {
        value,
        ttl_ms: 0,
        absent: false,
        condition,
        ..Write::default()
    };
    engine.set(0, KEY, write, NOW)
}

fn get(engine: &Engine) -> Option<(Vec<u8>, Version)> {
    let read = |entry: shoal_engine::Entry<'_>| (entry.value.to_vec(), entry.version);
    engine.get(0, KEY, NOW, read).unwrap()
}

/// Runs the same on so many threads and waits for all.
fn on_threads(count: u8, run: impl Fn(u8) + Send + Sync + 'static) {
    let run = Arc::new(run);
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let run = Arc::clone(&run);
            thread::spawn(move || run(number))
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Sequences are given without gap or double, a reader never sees an older version
/// after a newer one, and what stands at the end is what the last write stored.
#[test]
fn writes_of_a_partition_have_one_order() {
    explore(|| {
        let engine = engine(1 << 20);
        let written: Arc<Mutex<Vec<(Version, u8)>>> = Arc::default();
        let (shared, log) = (Arc::clone(&engine), Arc::clone(&written));
        on_threads(3, move |number| {
            let mut newest = None;
            for round in 0..2 {
                let value = number * 2 + round;
                let outcome = set(&shared, &[value], None).unwrap();
                let SetOutcome::Applied(version) = outcome else {
                    panic!("no condition")
                };
                log.lock().unwrap().push((version, value));
                let seen = get(&shared).map(|(_, version)| version);
                assert!(seen >= Some(version) && seen >= newest, "it went back");
                newest = seen;
            }
        });
        let mut written = written.lock().unwrap().clone();
        written.sort_unstable();
        let seqs: Vec<u64> = written.iter().map(|(version, _)| version.seq).collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
        let (version, value) = *written.last().unwrap();
        assert_eq!(get(&engine), Some((vec![value], version)));
        engine.validate(0).unwrap();
    });
}

/// Of those who compare with the same version one wins, and the losers are told the
/// winner's version.
#[test]
fn one_compare_and_set_wins() {
    explore(|| {
        let engine = engine(1 << 20);
        let SetOutcome::Applied(first) = set(&engine, b"0", Some(Condition::IfAbsent)).unwrap()
        else {
            panic!("nothing was there");
        };
        let outcomes: Arc<Mutex<Vec<SetOutcome>>> = Arc::default();
        let (shared, log) = (Arc::clone(&engine), Arc::clone(&outcomes));
        on_threads(3, move |number| {
            let outcome = set(&shared, &[number], Some(Condition::IfVersion(first))).unwrap();
            log.lock().unwrap().push(outcome);
        });
        let outcomes = outcomes.lock().unwrap();
        let won: Vec<Version> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                SetOutcome::Applied(version) => Some(*version),
                SetOutcome::NotApplied(_) => None,
            })
            .collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        let lost = outcomes
            .iter()
            .filter(|o| **o == SetOutcome::NotApplied(Some(won[0])));
        assert_eq!(lost.count(), 2);
        assert_eq!(get(&engine).unwrap().1, won[0]);
    });
}

#[test]
fn no_increment_is_lost() {
    explore(|| {
        let engine = engine(1 << 20);
        let shared = Arc::clone(&engine);
        on_threads(3, move |_| {
            for _ in 0..2 {
                let add = Increment {
                    delta: 1,
                    initial: 0,
                    ttl_ms: 0,
                };
                shared.incr(0, KEY, add, NOW).unwrap();
            }
        });
        assert_eq!(get(&engine).unwrap().0, b"6");
    });
}

/// A hot key that readers come to side by side, that is written meanwhile, and that
/// expires: nobody sees an older version after a newer one, a write that
/// was acknowledged is seen by all, what is over by none, and each read is counted once.
#[test]
fn readers_side_by_side_see_what_was_written() {
    explore(|| {
        let engine = engine(1 << 20);
        set(&engine, &[0], None).unwrap();
        // Twice, and the policy does not care for more.
        assert!(get(&engine).is_some() && get(&engine).is_some());
        let acknowledged = Arc::new(AtomicU64::new(1));
        let (shared, log) = (Arc::clone(&engine), Arc::clone(&acknowledged));
        on_threads(4, move |number| match number {
            0 => {
                for value in 1..3 {
                    let outcome = set(&shared, &[value], None).unwrap();
                    assert!(matches!(outcome, SetOutcome::Applied(_)));
                    log.store(u64::from(value) + 1, SeqCst);
                }
            }
            _ => {
                let mut newest = 0;
                for _ in 0..3 {
                    let least = log.load(SeqCst).max(newest);
                    let (value, version) = get(&shared).unwrap();
                    assert!(version.seq >= least, "it went back");
                    assert_eq!(u64::from(value[0]) + 1, version.seq);
                    newest = version.seq;
                }
            }
        });
        engine.touch(0, KEY, 10, NOW).unwrap();
        let later = Now(NOW.0 + 10);
        let shared = Arc::clone(&engine);
        on_threads(2, move |_| {
            assert_eq!(shared.get(0, KEY, later, |_| ()), Ok(None));
        });
        let stats = engine.stats();
        assert_eq!((stats.hits, stats.misses), (2 + 3 * 3, 2));
        engine.validate(0).unwrap();
    });
}

/// A partition that is closed and opened again meanwhile: nothing of the old epoch is
/// seen under the new one, and its memory comes back to the last byte.
#[test]
fn a_close_leaves_nothing_behind() {
    explore(|| {
        let engine = engine(64 << 10);
        let shared = Arc::clone(&engine);
        let writers = thread::spawn(move || {
            on_threads(2, move |number| {
                for round in 0..3_u8 {
                    let before = shared.epoch(0);
                    match set(&shared, &[number + round; 3000], None) {
                        Ok(SetOutcome::Applied(version)) => {
                            assert!(Some(version.epoch) >= before);
                            let found = shared.get(0, KEY, NOW, |entry| entry.version);
                            if let Ok(Some(found)) = found {
                                assert!(found >= version, "an older epoch came back");
                            }
                        }
                        Err(Refused::NotOpen) => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        });
        for epoch in 2..4 {
            assert!(engine.close(0));
            assert!(!engine.close(0));
            engine.open(0, epoch).unwrap();
            assert_eq!(engine.epoch(0), Some(epoch));
        }
        writers.join().unwrap();
        engine.validate(0).unwrap();
        let stats = engine.stats();
        assert_eq!(stats.open_partitions, 1);
        engine.close(0);
        assert_eq!(engine.stats().memory_bytes, engine.fixed_bytes() as u64);
        // Hits and misses of all epochs together: one for each read that was answered.
        assert!(stats.hits + stats.misses <= 6);
    });
}

/// Who reclaims and who reads at the same moment: what is alive stays, what is dead
/// goes once, and is counted once.
#[test]
fn an_entry_expires_once() {
    explore(|| {
        let engine = engine(1 << 20);
        let write = |key: &[u8], ttl_ms| {
            let write = Write {
                value: b"v",
                ttl_ms,
                absent: false,
                condition: None,
                ..Write::default()
            };
            engine.set(0, key, write, NOW).unwrap();
        };
        write(b"short", 10);
        write(b"long", 100_000);
        let shared = Arc::clone(&engine);
        let later = Now(NOW.0 + 1000);
        on_threads(3, move |number| match number {
            0 => _ = shared.reclaim_expired(0, later, 10),
            1 => assert_eq!(shared.touch(0, b"short", 500, later), Ok(None)),
            _ => {
                assert_eq!(shared.get(0, b"short", later, |_| ()), Ok(None));
                assert_eq!(shared.get(0, b"long", later, |_| ()), Ok(Some(())));
            }
        });
        engine.validate(0).unwrap();
        let stats = engine.stats();
        assert_eq!((stats.expired, stats.entries), (1, 1));
        assert_eq!((stats.hits, stats.misses), (1, 1));
    });
}
