//! A snapshot misses nothing while the index grows and shrinks under it, and both ends do
//! bounded work under a hold of the lock.

use shoal_engine::{Engine, Eviction, Join, Now, Position, Settings, Work, Write};

const NOW: Now = Now(1_000_000);

fn engine(hash_seed: u64) -> Engine {
    Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 64 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1 << 20,
        hash_seed,
    })
}

fn set(engine: &Engine, key: u64, value: &[u8]) {
    let write = Write {
        value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(0, &key.to_le_bytes(), write, NOW).unwrap();
}

fn read(engine: &Engine, key: u64) -> Option<(Vec<u8>, u64)> {
    engine
        .get(0, &key.to_le_bytes(), NOW, |it| {
            (it.value.to_vec(), it.version.seq)
        })
        .unwrap()
}

/// What happens between two batches, by the number of the first.
fn copy_while(keys: u64, budget: usize, mut between: impl FnMut(&Engine, u64)) {
    let (primary, follower) = (engine(1), engine(2));
    primary.open(0, 3).unwrap();
    follower.open_follower(0).unwrap();
    for key in 0..keys {
        set(&primary, key, b"before");
    }
    let Join::Snapshot(mut cursor) = primary.join(0, Position::NOTHING).unwrap() else {
        panic!("nothing tells what was written before the log began");
    };
    let mut number = 0;
    loop {
        let mut batch = Vec::new();
        let sent = primary
            .read_snapshot(0, &mut cursor, budget, NOW, &mut batch)
            .unwrap();
        assert!(sent.own_bytes <= budget + 2000, "{sent:?}");
        assert!(batch.len() <= sent.own_bytes + (64 << 10) + 2000);
        let applied = follower.apply(0, &batch, NOW).unwrap();
        assert_eq!(applied.was_restored, sent.is_done);
        if sent.is_done {
            break;
        }
        between(&primary, number);
        number += 1;
    }
    assert!(number > 20, "{number}");
    let mut cursor = cursor.into_log();
    loop {
        let mut batch = Vec::new();
        let sent = primary
            .read_log(0, &mut cursor, 4096, NOW, &mut batch)
            .unwrap();
        if !batch.is_empty() {
            follower.apply(0, &batch, NOW).unwrap();
        }
        if sent.is_all {
            break;
        }
    }
    assert_eq!(follower.position(0), primary.position(0));
    for key in 0..3 * keys {
        assert_eq!(read(&follower, key), read(&primary, key), "{key}");
    }
    assert_eq!(follower.stats().entries, primary.stats().entries);
    for engine in [&primary, &follower] {
        engine.validate(0).unwrap();
        let work = engine.work(0).unwrap();
        assert!(work.hold_entries_most <= Work::HOLD_ENTRIES_MAX, "{work:?}");
    }
}

#[test]
fn while_the_index_grows() {
    copy_while(5000, 3000, |engine, number| {
        for key in 0..60 {
            set(engine, 5000 + number * 60 % 10_000 + key, b"grown");
        }
    });
}

#[test]
fn while_the_index_shrinks() {
    copy_while(20_000, 3000, |engine, number| {
        for key in 0..150 {
            let key = (number * 150 + key) * 7919 % 20_000;
            if key % 8 != 0 {
                engine.delete(0, &key.to_le_bytes(), NOW).unwrap();
            }
        }
    });
}

#[test]
fn while_it_does_both_and_values_change() {
    copy_while(8000, 2500, |engine, number| {
        for step in 0..50 {
            let key = (number * 50 + step) * 7919 % 24_000;
            if number % 160 < 80 {
                set(engine, key, &number.to_le_bytes());
            } else {
                engine.delete(0, &key.to_le_bytes(), NOW).unwrap();
            }
        }
    });
}

/// Whoever sends it counts what is its own, and four times that is written meanwhile.
#[test]
fn a_snapshot_comes_to_its_end_while_more_is_written_than_it_may_take() {
    let (primary, follower) = (engine(1), engine(2));
    primary.open(0, 3).unwrap();
    primary.limit_log(1 << 20);
    follower.open_follower(0).unwrap();
    let value = |number: u64| [number as u8; 500];
    for key in 0..10_000 {
        set(&primary, key, &value(key));
    }
    let Join::Snapshot(mut cursor) = primary.join(0, Position::NOTHING).unwrap() else {
        panic!("nothing tells what was written before the log began");
    };
    let (mut number, mut own_bytes, mut written_bytes, mut all_bytes) = (0, 0, 0, 0);
    loop {
        let mut batch = Vec::new();
        let sent = primary
            .read_snapshot(0, &mut cursor, 60_000, NOW, &mut batch)
            .unwrap();
        follower.apply(0, &batch, NOW).unwrap();
        own_bytes += sent.own_bytes;
        all_bytes += batch.len();
        if sent.is_done {
            break;
        }
        while written_bytes < 4 * own_bytes {
            number += 1;
            set(&primary, number * 7919 % 10_000, &value(number));
            written_bytes += 500;
        }
    }
    // It took what there is, and little for its headers.
    assert!((5_000_000..5_500_000).contains(&own_bytes), "{own_bytes}");
    assert!(all_bytes > 4 * own_bytes, "{all_bytes}");
    for key in 0..10_000 {
        assert!(read(&follower, key).is_some());
    }
    assert_eq!(follower.stats().entries, 10_000);
    follower.validate(0).unwrap();
}

/// However small the budget, each call brings it further.
#[test]
fn a_budget_of_nothing_is_a_chain_at_a_time() {
    let (primary, follower) = (engine(1), engine(2));
    primary.open(0, 3).unwrap();
    follower.open_follower(0).unwrap();
    for key in 0..1000 {
        set(&primary, key, b"before");
    }
    let Join::Snapshot(mut cursor) = primary.join(0, Position::NOTHING).unwrap() else {
        panic!("nothing tells what was written before the log began");
    };
    let mut calls = 0;
    loop {
        let mut batch = Vec::new();
        let sent = primary
            .read_snapshot(0, &mut cursor, 0, NOW, &mut batch)
            .unwrap();
        follower.apply(0, &batch, NOW).unwrap();
        calls += 1;
        if sent.is_done {
            break;
        }
        assert!(calls < 3000);
        // Longer than all that the snapshot has left.
        set(&primary, calls % 1000, &[7; 3000]);
    }
    assert_eq!(follower.stats().entries, 1000);
    follower.validate(0).unwrap();
}

/// Each batch a hold of its own, however long it is.
#[test]
fn a_long_batch_is_applied_in_bounded_holds() {
    let (primary, follower) = (engine(1), engine(2));
    primary.open(0, 3).unwrap();
    primary.limit_log(16 << 20);
    primary.keep_log(0, true).unwrap();
    follower.open_follower(0).unwrap();
    for key in 0..5000 {
        set(&primary, key, &[7; 20]);
    }
    let Join::Log(mut cursor) = primary.join(0, Position::NOTHING).unwrap() else {
        panic!("the log tells all");
    };
    let mut batch = Vec::new();
    let sent = primary
        .read_log(0, &mut cursor, usize::MAX, NOW, &mut batch)
        .unwrap();
    assert!(sent.is_all && batch.len() > 5000 * 20);
    follower.apply(0, &batch, NOW).unwrap();
    assert_eq!(follower.position(0), primary.position(0));
    let work = follower.work(0).unwrap();
    assert!(
        work.holds > 60 && work.hold_entries_most <= Work::HOLD_ENTRIES_MAX,
        "{work:?}"
    );
}
