//! Replication where memory is short: a log that wants to be longer, and a follower that
//! may not evict.

mod support;

use shoal_engine::{ApplyError, Engine, Eviction, Refused};
use support::feed::{Feed, NOW, engine, value};

const VALUE: [u8; 1000] = [7; 1000];
const LOG_BYTES: usize = 512 << 10;

fn set(engine: &Engine, key: u64) -> Result<(), Refused> {
    let key = key.to_le_bytes();
    engine.set(0, &key, value(&VALUE), NOW).map(|_| ())
}

/// Overwrites one key, which needs no memory but the log's.
fn overwrite(engine: &Engine, times: usize) {
    for _ in 0..times {
        set(engine, u64::MAX).unwrap();
    }
}

#[test]
fn a_log_that_memory_was_short_for_becomes_as_long_as_it_may_be() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let engine = engine(1, 2 << 20, eviction);
        engine.open(0, 1).unwrap();
        engine.limit_log(LOG_BYTES);
        for key in 0..3000 {
            set(&engine, key).unwrap();
        }
        overwrite(&engine, 1);
        engine.keep_log(0, true).unwrap();
        overwrite(&engine, 1000);
        let starved = engine.log_bytes();
        assert!(starved < LOG_BYTES / 2, "{eviction:?}: {starved}");
        let before = engine.stats();
        for _ in 0..300 {
            engine.reclaim(0, NOW, 64);
            overwrite(&engine, 10);
        }
        let long = engine.log_bytes();
        assert!(
            (LOG_BYTES / 4 * 3..=LOG_BYTES + 2000).contains(&long),
            "{eviction:?}: {long}"
        );
        let after = engine.stats();
        // Some entries went for it, and not many more than it took.
        let went = (before.entries - after.entries) as usize * VALUE.len();
        assert!(
            (LOG_BYTES / 4..LOG_BYTES * 3).contains(&went),
            "{eviction:?}: {went}"
        );
        assert_eq!(
            after.evicted - before.evicted,
            before.entries - after.entries
        );
        assert!(engine.used_bytes() <= engine.limit_bytes());
        engine.validate(0).unwrap();
    }
}

#[test]
fn a_log_of_a_partition_without_shortage_makes_nobody_leave() {
    let engine = engine(1, 2 << 20, Eviction::S3Fifo);
    engine.open(0, 1).unwrap();
    engine.limit_log(LOG_BYTES);
    for key in 0..500 {
        set(&engine, key).unwrap();
    }
    engine.keep_log(0, true).unwrap();
    for _ in 0..200 {
        engine.reclaim(0, NOW, 64);
        overwrite(&engine, 10);
    }
    assert!(engine.log_bytes() > LOG_BYTES / 4 * 3);
    assert_eq!(engine.stats().evicted, 0);
}

#[test]
fn a_follower_that_may_not_evict_refuses_and_goes_on_once_there_is_room() {
    let (engine, feed) = (engine(2, 512 << 10, Eviction::None), Feed::new(2));
    engine.open_follower(0).unwrap();
    engine.open(1, 1).unwrap();
    // Half of the memory is another's.
    for key in 0..200_u64 {
        let key = key.to_le_bytes();
        engine.set(1, &key, value(&VALUE), NOW).unwrap();
    }
    for key in 0..400 {
        feed.set(0, key, &VALUE);
    }
    assert_eq!(feed.bring(&engine, 0, 5000), Err(ApplyError::MemoryFull));
    let reached = engine.position(0).unwrap().seq;
    assert!((50..350).contains(&reached), "{reached}");
    assert_eq!(feed.bring(&engine, 0, 5000), Err(ApplyError::MemoryFull));
    assert_eq!(engine.position(0).unwrap().seq, reached);
    let has = |key: u64| {
        let found = engine.get(0, &key.to_le_bytes(), NOW, |it| it.value == VALUE);
        found.unwrap() == Some(true)
    };
    // All of it, and nothing else: each write was one key.
    assert!((0..400).all(|key| has(key) == (key < reached)));
    let stats = engine.stats();
    assert_eq!((stats.evicted, stats.entries), (0, 200 + reached));
    assert!(stats.memory_full >= 2);
    engine.validate(0).unwrap();

    engine.close(1);
    feed.bring(&engine, 0, 5000).unwrap();
    assert_eq!(engine.position(0), feed.engine.position(0));
    assert!((0..400).all(has));
    engine.validate(0).unwrap();
}
