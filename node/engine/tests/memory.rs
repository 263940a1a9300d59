//! The bound on memory, and who gives when it is reached.

use shoal_engine::{Engine, Eviction, Now, Refused, SetOutcome, Settings, Write};

fn engine(partition_count: u32, maxmemory_bytes: usize, eviction: Eviction) -> Engine {
    Engine::new(Settings {
        partition_count,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 2 << 20,
        hash_seed: 9,
    })
}

fn set(engine: &Engine, partition: u32, key: u64, bytes: usize) -> Result<SetOutcome, Refused> {
    let value = vec![7; bytes];
    let write = Write {
        value: &value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(partition, &key.to_le_bytes(), write, Now(1))
}

fn live(engine: &Engine, partition: u32, keys: std::ops::Range<u64>) -> usize {
    let has = |key: &u64| {
        engine
            .get(partition, &key.to_le_bytes(), Now(1), |_| ())
            .unwrap()
            .is_some()
    };
    keys.filter(has).count()
}

fn is_sound(engine: &Engine, partitions: u32) {
    for partition in 0..partitions {
        engine.validate(partition).unwrap();
    }
    let stats = engine.stats();
    assert!(stats.memory_bytes <= stats.maxmemory_bytes, "{stats:?}");
}

#[test]
fn a_million_entries_take_at_most_40_bytes_above_key_and_value_each() {
    // A sixteenth of the million over a sixteenth of the usual 256 partitions.
    const ENTRIES: u64 = 1_000_000 / 16;
    let engine = engine(16, 1 << 30, Eviction::S3Fifo);
    for partition in 0..16 {
        engine.open(partition, 1).unwrap();
    }
    for number in 0..ENTRIES {
        let key = format!("key:{number:09}");
        let write = Write {
            value: &[7; 100],
            ttl_ms: 60_000,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine
            .set((number % 16) as u32, key.as_bytes(), write, Now(1))
            .unwrap();
    }
    let above = engine.stats().memory_bytes as f64 / ENTRIES as f64 - 113.0;
    assert!(above <= 40.0, "{above}");
}

#[test]
fn a_partition_opened_late_has_as_much_as_one_that_is_used_as_much() {
    let engine = engine(4, 4 << 20, Eviction::Lru);
    engine.open(0, 1).unwrap();
    for key in 0..60_000 {
        set(&engine, 0, key, 100).unwrap();
    }
    let alone = live(&engine, 0, 0..60_000);
    engine.open(1, 1).unwrap();
    for key in 0..60_000 {
        set(&engine, 0, key, 100).unwrap();
        set(&engine, 1, key, 100).unwrap();
    }
    is_sound(&engine, 2);
    let late = live(&engine, 1, 0..60_000);
    assert!(
        late > alone * 4 / 10 && late < alone * 6 / 10,
        "{late} of {alone}"
    );
    assert!(live(&engine, 0, 0..60_000) > alone * 3 / 10);
}

#[test]
fn a_partition_that_nobody_uses_gives_everything_it_has() {
    let engine = engine(4, 4 << 20, Eviction::Lru);
    engine.open(0, 1).unwrap();
    engine.open(1, 1).unwrap();
    for key in 0..1000 {
        set(&engine, 1, key, 100).unwrap();
    }
    for key in 0..60_000 {
        set(&engine, 0, key, 100).unwrap();
    }
    is_sound(&engine, 2);
    assert_eq!(live(&engine, 1, 0..1000), 0);
    assert!(live(&engine, 0, 0..60_000) > 20_000);
}

#[test]
fn a_large_value_displaces_many_small_ones() {
    let engine = engine(2, 4 << 20, Eviction::S3Fifo);
    engine.open(0, 1).unwrap();
    engine.open(1, 1).unwrap();
    for key in 0..40_000 {
        set(&engine, (key % 2) as u32, key, 100).unwrap();
    }
    for key in 0..20 {
        assert!(matches!(
            set(&engine, 0, 100_000 + key, 1 << 20),
            Ok(SetOutcome::Applied(_))
        ));
        is_sound(&engine, 2);
    }
    for key in 0..40_000 {
        set(&engine, (key % 2) as u32, key, 100).unwrap();
    }
    is_sound(&engine, 2);
    assert!(engine.stats().entries > 20_000);
}

#[test]
fn what_can_never_fit_is_refused_and_evicts_nothing() {
    let engine = engine(1, 1 << 20, Eviction::S3Fifo);
    engine.open(0, 1).unwrap();
    for key in 0..1000 {
        set(&engine, 0, key, 100).unwrap();
    }
    assert_eq!(set(&engine, 0, 5000, 1 << 20), Err(Refused::MemoryFull));
    assert_eq!(live(&engine, 0, 0..1000), 1000);
    is_sound(&engine, 1);
}

#[test]
fn where_nothing_is_evicted_a_full_memory_is_said_and_a_delete_helps() {
    let engine = engine(1, 1 << 20, Eviction::None);
    engine.open(0, 1).unwrap();
    let full = (0..)
        .find(|&key| set(&engine, 0, key, 100) == Err(Refused::MemoryFull))
        .unwrap();
    assert!(full > 5000, "{full}");
    assert_eq!(live(&engine, 0, 0..full), full as usize);
    for key in 0..full / 2 {
        engine.delete(0, &key.to_le_bytes(), Now(1)).unwrap();
    }
    for key in 0..full / 3 {
        set(&engine, 0, key, 100).unwrap();
    }
    is_sound(&engine, 1);
}

#[test]
fn expired_entries_go_before_live_ones() {
    let engine = engine(1, 1 << 20, Eviction::Lru);
    engine.open(0, 1).unwrap();
    // The live ones are the least recently used.
    for key in 0..3000 {
        set(&engine, 0, key, 100).unwrap();
    }
    for key in 3000..6000_u64 {
        let write = Write {
            value: &[7; 100],
            ttl_ms: 50,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, Now(1)).unwrap();
    }
    let write = |key: u64| {
        let write = Write {
            value: &[7; 100],
            ttl_ms: 0,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, Now(1000)).unwrap();
    };
    (10_000..13_000).for_each(write);
    is_sound(&engine, 1);
    let stats = engine.stats();
    assert!(stats.evicted == 0 && stats.expired > 1000, "{stats:?}");
    assert_eq!(live(&engine, 0, 0..3000), 3000);
}

#[test]
fn closing_gives_everything_back() {
    let engine = engine(2, 8 << 20, Eviction::Lfu);
    for partition in 0..2 {
        engine.open(partition, 1).unwrap();
        for key in 0..10_000 {
            set(&engine, partition, key, (key % 6000) as usize).unwrap();
        }
    }
    engine.close(0);
    engine.close(1);
    assert_eq!(engine.stats().memory_bytes, engine.fixed_bytes() as u64);
    assert_eq!(set(&engine, 0, 1, 1), Err(Refused::NotOpen));
}

#[test]
fn limits_are_said() {
    let engine = engine(1, 8 << 20, Eviction::Lfu);
    engine.open(0, 1).unwrap();
    let write = Write {
        value: b"v",
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    assert_eq!(engine.set(0, b"", write, Now(1)), Err(Refused::KeyEmpty));
    assert_eq!(
        engine.set(0, &[1; 65], write, Now(1)),
        Err(Refused::KeyTooLong)
    );
    assert_eq!(
        set(&engine, 0, 1, (2 << 20) + 1),
        Err(Refused::ValueTooLarge)
    );
    assert!(engine.set(0, &[1; 64], write, Now(1)).is_ok());
}
