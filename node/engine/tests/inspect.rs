//! The walk tells the truth: against the account, the sums, and a plain count.

mod support;

use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now, Settings, Write};
use support::{PARTITIONS, TIGHT_BYTES, Twin, steps};

fn engine(partition_count: u32, maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count,
        maxmemory_bytes,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 42,
    });
    for partition in 0..partition_count {
        engine.open(partition, 7).unwrap();
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_kinds_add_up_to_the_account(steps in steps(300, &[Eviction::S3Fifo])) {
        let engine = engine(PARTITIONS, TIGHT_BYTES);
        let mut twin = Twin::new(7, true);
        for step in steps {
            twin.apply(&engine, &step);
            let found = engine.inspect();
            prop_assert_eq!(found.total, engine.stats());
            prop_assert_eq!(found.memory.total_bytes(), found.total.memory_bytes);
            let held: u64 = found.partitions.iter().map(|it| it.memory_bytes).sum();
            prop_assert_eq!(held + found.memory.fixed_bytes, found.total.memory_bytes);
            for partition in 0..PARTITIONS {
                engine.validate(partition).unwrap();
            }
        }
    }
}

#[test]
fn each_partition_has_its_own_figures() {
    let engine = engine(3, 1 << 20);
    let write = |value, ttl_ms| Write {
        value,
        ttl_ms,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(1, b"abc", write(b"12345", 0), Now(5)).unwrap();
    engine.set(1, b"de", write(b"1", 10), Now(5)).unwrap();
    engine.get(1, b"abc", Now(6), |_| ()).unwrap();
    engine.get(1, b"x", Now(6), |_| ()).unwrap();
    engine.get(2, b"x", Now(6), |_| ()).unwrap();
    engine.close(0);
    let found = engine.inspect();
    let [one, two] = &found.partitions[..] else {
        panic!("two are open: {found:?}")
    };
    assert_eq!((one.partition, two.partition), (1, 2));
    assert_eq!((one.entries, one.hits, one.misses), (2, 1, 1));
    assert_eq!((two.entries, two.hits, two.misses), (0, 0, 1));
    assert_eq!(found.memory.payload_bytes, 3 + 5 + 2 + 1);
    assert_eq!(found.total.open_partitions, 2);
}

#[test]
fn a_look_at_the_size_is_no_read() {
    let engine = engine(1, 1 << 20);
    let write = Write {
        value: b"12345",
        ttl_ms: 10,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(0, b"abc", write, Now(5)).unwrap();
    assert_eq!(engine.payload_bytes(0, b"abc", Now(14)), Some(8));
    assert_eq!(engine.payload_bytes(0, b"abc", Now(15)), None, "expired");
    assert_eq!(engine.payload_bytes(0, b"other", Now(14)), None);
    let stats = engine.stats();
    assert_eq!((stats.hits, stats.misses), (0, 0));
    engine.close(0);
    assert_eq!(engine.payload_bytes(0, b"abc", Now(14)), None);
}
