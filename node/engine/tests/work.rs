//! No operation holds a partition's lock for more than a bounded number of entries and
//! bytes, however many the partition holds: counted, so a slow machine changes nothing.

use shoal_engine::{Engine, Eviction, Now, Refused, SetOutcome, Settings, Work, Write};

fn engine(partition_count: u32, maxmemory_bytes: usize, eviction: Eviction) -> Engine {
    let engine = Engine::new(Settings {
        partition_count,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 2 << 20,
        hash_seed: 5,
    });
    for partition in 0..partition_count {
        engine.open(partition, 1).unwrap();
    }
    engine
}

fn set(engine: &Engine, partition: u32, key: u64, len: usize, ttl_ms: u64, now_ms: u64) {
    let value = vec![key as u8; len];
    let write = Write {
        value: &value,
        ttl_ms,
        absent: false,
        condition: None,
        ..Write::default()
    };
    match engine.set(partition, &key.to_le_bytes(), write, Now(now_ms)) {
        Ok(SetOutcome::Applied(_)) => {}
        other => panic!("{key}: {other:?}"),
    }
}

fn work(engine: &Engine, partition: u32) -> Work {
    engine.work(partition).unwrap()
}

fn assert_bounded(engine: &Engine, partitions: u32) {
    for partition in 0..partitions {
        engine.validate(partition).unwrap();
        let work = work(engine, partition);
        assert!(
            work.hold_entries_most <= Work::HOLD_ENTRIES_MAX
                && work.hold_bytes_most <= Work::HOLD_BYTES_MAX,
            "partition {partition}: {work:?}"
        );
    }
}

#[test]
fn growing_moves_a_few_entries_at_a_time_and_no_bytes() {
    let engine = engine(1, 1 << 30, Eviction::S3Fifo);
    for key in 0..200_000 {
        set(&engine, 0, key, 10, 60_000, 1);
    }
    let work = work(&engine, 0);
    // A head is added for each two entries, and splits a chain of some four.
    assert!(work.entries < 200_000 * 3, "{work:?}");
    assert!(work.hold_entries_most <= 32 && work.bytes == 0, "{work:?}");
}

#[test]
fn overwriting_with_other_sizes_is_bounded_and_paid_for_evenly() {
    let engine = engine(1, 1 << 30, Eviction::S3Fifo);
    let sizes = |key: u64, round: u64| ((key * 31 + round * 977) % 300) as usize;
    for round in 0..4 {
        for key in 0..20_000 {
            set(&engine, 0, key * 7919 % 20_000, sizes(key, round), 0, 1);
        }
    }
    assert_bounded(&engine, 1);
    let work = work(&engine, 0);
    // Each entry that is written moves a bounded number of others, on average.
    assert!(work.entries < 80_000 * 15, "{work:?}");
    let stats = engine.stats();
    assert!(stats.waste_bytes < stats.memory_bytes / 8, "{stats:?}");
}

#[test]
fn tiny_entries_in_full_memory_are_bounded() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let engine = engine(1, 2 << 20, eviction);
        for number in 0..200_000_u64 {
            let key = number.wrapping_mul(0x9E37_79B9) % 100_000;
            set(&engine, 0, key, (number % 5) as usize, 0, 1);
            // So that the policies pass many over.
            for near in 0..3 {
                let _ = engine.get(0, &(key ^ near).to_le_bytes(), Now(1), |_| ());
            }
        }
        assert!(engine.stats().evicted > 10_000);
        assert_bounded(&engine, 1);
    }
}

#[test]
fn a_large_value_takes_the_place_of_thousands_hold_by_hold() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let engine = engine(2, 8 << 20, eviction);
        for key in 0..100_000 {
            set(&engine, (key % 2) as u32, key, 100, 0, 1);
        }
        let holds_before = work(&engine, 0).holds + work(&engine, 1).holds;
        for key in 0..6 {
            set(&engine, 0, 1_000_000 + key, 1 << 20, 0, 1);
        }
        let holds = work(&engine, 0).holds + work(&engine, 1).holds - holds_before;
        assert!(holds > 40, "{holds}");
        for key in 0..100_000 {
            set(&engine, (key % 2) as u32, key, 100, 0, 1);
        }
        assert_bounded(&engine, 2);
    }
}

#[test]
fn a_storm_of_expiries_is_bounded_by_the_budget() {
    let engine = engine(1, 256 << 20, Eviction::S3Fifo);
    for key in 0..50_000 {
        // Far enough for them to come down two levels of the wheel.
        set(&engine, 0, key, 20, 300_000 + key % 100, 1);
        set(&engine, 0, 1_000_000 + key, 20, 0, 1);
    }
    let mut reclaimed = 0;
    let mut calls = 0;
    for now_ms in (0..303_000).step_by(1000) {
        let before = work(&engine, 0).hold_entries_most;
        loop {
            let answer = engine.reclaim(0, Now(now_ms), 32);
            reclaimed += answer.entries;
            calls += 1;
            if !answer.more {
                break;
            }
        }
        let most = work(&engine, 0).hold_entries_most;
        // 32 that go, each with its split or merge, 8 moves for each, one step of cleaning.
        assert!(most <= before.max(32 * 10 + 32 * 8 + 32), "{most}");
    }
    assert_eq!(reclaimed, 50_000);
    // 32 a call, two moves for each that goes, and each that stays moved once or twice.
    let calls_max = 50_000 / 32 + 2 * 50_000 / 256 + 2 * 50_000 / 32 + 400;
    assert!(calls < calls_max, "{calls}");
    engine.validate(0).unwrap();
    let stats = engine.stats();
    assert!(stats.waste_bytes < stats.memory_bytes / 6, "{stats:?}");
}

#[test]
fn a_refused_write_is_refused_cheaply() {
    let engine = engine(1, 4 << 20, Eviction::None);
    let mut key = 0;
    let write = |len: usize, key: u64| {
        let value = vec![7; len];
        let write = Write {
            value: &value,
            ttl_ms: 0,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, Now(1))
    };
    while write((key % 300) as usize, key) != Err(Refused::MemoryFull) {
        key += 1;
    }
    for gone in (0..key).step_by(30) {
        engine.delete(0, &gone.to_le_bytes(), Now(1)).unwrap();
    }
    for number in 0..100 {
        let before = work(&engine, 0);
        assert_eq!(write(1 << 20, 1_000_000 + number), Err(Refused::MemoryFull));
        let after = work(&engine, 0);
        if number > 5 {
            assert!(
                after.entries - before.entries < 5000,
                "{before:?} {after:?}"
            );
        }
    }
    assert_bounded(&engine, 1);
}
