//! Expiry: exact on read, reclaimed without looking at what is still alive.

use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now, Settings, Write};

/// A tick of the wheel: how late an entry may be found due.
const TICK_MS: u64 = 128;

fn engine() -> Engine {
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 256 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1024,
        hash_seed: 3,
    });
    engine.open(0, 1).unwrap();
    engine
}

fn set(engine: &Engine, key: u64, ttl_ms: u64, now_ms: u64) {
    let write = Write {
        value: b"v",
        ttl_ms,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine
        .set(0, &key.to_le_bytes(), write, Now(now_ms))
        .unwrap();
}

fn ttl_ms(engine: &Engine, key: u64, now_ms: u64) -> Option<u64> {
    engine
        .get(0, &key.to_le_bytes(), Now(now_ms), |entry| entry.ttl_ms)
        .unwrap()
}

#[test]
fn a_read_is_exact_to_the_millisecond() {
    let engine = engine();
    set(&engine, 1, 1, 50);
    set(&engine, 2, 1000, 50);
    assert_eq!(
        (ttl_ms(&engine, 1, 50), ttl_ms(&engine, 1, 51)),
        (Some(1), None)
    );
    assert_eq!(
        (ttl_ms(&engine, 2, 1049), ttl_ms(&engine, 2, 1050)),
        (Some(1), None)
    );
    // Nothing was reclaimed by reading.
    assert_eq!(engine.stats().entries, 2);
}

#[test]
fn a_clock_a_little_behind_is_exact_too() {
    let engine = engine();
    set(&engine, 1, 100, 5000);
    set(&engine, 2, 100, 4990);
    assert_eq!(ttl_ms(&engine, 2, 5000), Some(90));
    assert_eq!(ttl_ms(&engine, 1, 4990), Some(110));
}

#[test]
fn the_longest_time_to_live_is_kept_as_decades() {
    let engine = engine();
    set(&engine, 1, u64::MAX, 1000);
    let decades_ms = 30 * 365 * 24 * 3600 * 1000;
    assert!(ttl_ms(&engine, 1, 1000).unwrap() > decades_ms);
    engine.validate(0).unwrap();
}

#[test]
fn the_budget_bounds_each_call_and_calls_add_up() {
    let engine = engine();
    for key in 0..10_000 {
        set(&engine, key, 500, 0);
    }
    let mut calls = 0;
    let now = Now(500 + TICK_MS);
    loop {
        match engine.reclaim_expired(0, now, 64) {
            0 if engine.stats().entries == 0 => break,
            reclaimed => assert!(reclaimed <= 64),
        }
        calls += 1;
        assert!(
            calls <= 10_000 / 64 + 10_000 / (64 * 8) + 2,
            "an entry moved more than it should"
        );
    }
    engine.validate(0).unwrap();
    assert_eq!(engine.stats().expired, 10_000);
    // The memory of what left was given back.
    assert!(engine.stats().memory_bytes < engine.fixed_bytes() as u64 + (24 << 10));
}

#[test]
fn what_lives_is_not_looked_at() {
    let engine = engine();
    for key in 0..50_000 {
        set(&engine, key, 3_600_000, 0);
    }
    set(&engine, 50_000, 200, 0);
    // A budget of one allows eight moves: far fewer than there are live entries.
    assert_eq!(engine.reclaim_expired(0, Now(200 + TICK_MS), 1), 1);
    assert_eq!(engine.stats().entries, 50_000);
}

#[test]
fn a_key_set_anew_is_not_reclaimed_at_its_old_deadline() {
    let engine = engine();
    set(&engine, 1, 200, 0);
    set(&engine, 1, 10_000, 100);
    engine.touch(0, &2_u64.to_le_bytes(), 5, Now(100)).unwrap();
    assert_eq!(engine.reclaim_expired(0, Now(5000), 10), 0);
    assert_eq!(ttl_ms(&engine, 1, 5000), Some(5100));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// After a call that found nothing more, no entry is held that was due a tick ago,
    /// however the clock jumped; and none is gone before its time.
    #[test]
    fn all_that_is_due_is_reclaimed_and_nothing_else(
        ttls_ms in prop::collection::vec(
            prop_oneof![1..500_u64, 1..100_000_u64, 1..100_000_000_u64, 1..100_000_000_000_u64],
            1..200,
        ),
        waits_ms in prop::collection::vec(
            prop_oneof![0..300_u64, 0..50_000_u64, 0..50_000_000_u64, 0..50_000_000_000_u64],
            1..20,
        ),
    ) {
        let engine = engine();
        let mut now_ms = 77;
        let mut deadlines_ms = Vec::new();
        let mut ttls_ms = ttls_ms.into_iter();
        for wait_ms in waits_ms {
            for ttl_ms in ttls_ms.by_ref().take(20) {
                set(&engine, deadlines_ms.len() as u64, ttl_ms, now_ms);
                deadlines_ms.push(now_ms + ttl_ms);
            }
            now_ms += wait_ms;
            engine.reclaim_expired(0, Now(now_ms), usize::MAX);
            engine.validate(0).unwrap();
            let overdue = deadlines_ms.iter().filter(|&&at| at + TICK_MS <= now_ms).count();
            let live = deadlines_ms.iter().filter(|&&at| at > now_ms).count();
            let held = engine.stats().entries as usize;
            prop_assert!(held >= live && held <= deadlines_ms.len() - overdue);
            for (key, &at) in deadlines_ms.iter().enumerate() {
                prop_assert_eq!(ttl_ms(&engine, key as u64, now_ms), at.checked_sub(now_ms).filter(|&t| t > 0));
            }
        }
    }
}
