//! The engine against a plain map, operation by operation, with a clock of our own.

mod support;

use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now, Settings};
use support::{Step, Twin, steps};

fn engine(eviction: Eviction, maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: support::PARTITIONS,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 42,
    });
    for partition in 0..support::PARTITIONS {
        engine.open(partition, 7).unwrap();
    }
    engine
}

fn run(eviction: Eviction, maxmemory_bytes: usize, steps: &[Step], may_lose: bool) {
    let engine = engine(eviction, maxmemory_bytes);
    let mut twin = Twin::new(7, may_lose);
    for (number, step) in steps.iter().enumerate() {
        twin.apply(&engine, step);
        let is_due = number % 16 == 0 || number + 1 == steps.len();
        if is_due {
            for partition in 0..support::PARTITIONS {
                engine
                    .validate(partition)
                    .unwrap_or_else(|broken| panic!("{broken} after {step:?}"));
            }
        }
        assert!(engine.stats().memory_bytes as usize <= maxmemory_bytes);
    }
    if !may_lose {
        twin.check_counts(&engine);
    }
    for partition in 0..support::PARTITIONS {
        while engine.reclaim_expired(partition, Now(u64::MAX), 3) > 0 {}
        engine.validate(partition).unwrap();
    }
    for partition in 0..support::PARTITIONS {
        assert!(engine.close(partition));
    }
    assert_eq!(engine.stats().memory_bytes as usize, engine.fixed_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn with_memory_enough_nothing_differs(steps in steps(400)) {
        run(Eviction::S3Fifo, 64 << 20, &steps, false);
    }

    #[test]
    fn s3fifo_may_lose_but_never_lie(steps in steps(400)) {
        run(Eviction::S3Fifo, support::TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn lru_may_lose_but_never_lie(steps in steps(400)) {
        run(Eviction::Lru, support::TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn lfu_may_lose_but_never_lie(steps in steps(400)) {
        run(Eviction::Lfu, support::TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn without_eviction_nothing_is_lost(steps in steps(400)) {
        run(Eviction::None, support::TIGHT_BYTES, &steps, false);
    }
}
