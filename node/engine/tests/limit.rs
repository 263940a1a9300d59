//! A limit that moves below `maxmemory_bytes`.

use shoal_engine::{Engine, Eviction, Now, Settings, Write};

const MAXMEMORY_BYTES: usize = 8 << 20;
const PARTITIONS: u32 = 4;
const NOW: Now = Now(1_000_000);

fn full(eviction: Eviction) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes: MAXMEMORY_BYTES,
        eviction,
        hash_seed: 7,
        key_bytes_max: 1 << 10,
        value_bytes_max: 1 << 20,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).unwrap();
    }
    for number in 0..20_000_u32 {
        let _ = set(&engine, number);
    }
    assert!(engine.used_bytes() > MAXMEMORY_BYTES / 10 * 9);
    engine
}

fn set(engine: &Engine, number: u32) -> bool {
    let write = Write {
        value: &[number as u8; 1000],
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine
        .set(number % PARTITIONS, &number.to_be_bytes(), write, NOW)
        .is_ok()
}

fn validate(engine: &Engine) {
    for partition in 0..PARTITIONS {
        engine.validate(partition).unwrap();
    }
}

#[test]
fn what_is_beyond_the_limit_is_given_up_step_by_step_and_writes_go_on() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let engine = full(eviction);
        let half = MAXMEMORY_BYTES / 2;
        let mut number = 100_000;
        let mut steps = 0;
        while engine.shed_to(half, NOW) {
            assert!(engine.limit_bytes() >= half);
            assert!(set(&engine, number), "a write makes room for itself");
            number += 1;
            steps += 1;
            assert!(steps < 100_000, "it comes to an end");
        }
        assert!(engine.used_bytes() <= half, "{eviction:?}");
        assert_eq!(engine.limit_bytes(), half);
        for _ in 0..10_000 {
            assert!(set(&engine, number));
            number += 1;
        }
        assert!(engine.used_bytes() <= half, "{eviction:?}");
        validate(&engine);
    }
}

#[test]
fn a_limit_is_raised_at_once_and_never_beyond_maxmemory() {
    let engine = full(Eviction::S3Fifo);
    while engine.shed_to(1 << 20, NOW) {}
    assert!(!engine.shed_to(usize::MAX, NOW));
    assert_eq!(engine.limit_bytes(), MAXMEMORY_BYTES);
    for number in 0..20_000 {
        assert!(set(&engine, number));
    }
    assert!(engine.used_bytes() > MAXMEMORY_BYTES / 10 * 9);
    validate(&engine);
}

#[test]
fn without_eviction_nothing_is_given_up_and_nothing_more_is_taken() {
    let engine = full(Eviction::None);
    let used = engine.used_bytes();
    assert!(!engine.shed_to(1 << 20, NOW));
    assert_eq!(engine.used_bytes(), used);
    assert_eq!(engine.limit_bytes(), used);
    assert!(!set(&engine, 100_000));
    validate(&engine);
}
