//! What timed locks tell of operations, on a clock that goes on by one with each look.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use shoal_engine::{Engine, Eviction, Now, Settings, Used, Write, measure_holds, take_holds};

const NOW: Now = Now(1000);

/// How often it was looked at.
static LOOKS: AtomicU64 = AtomicU64::new(0);

fn meter() -> Used {
    let looks = LOOKS.fetch_add(1, Relaxed);
    Used {
        cpu_ns: looks * 10,
        faults: looks,
    }
}

fn set(engine: &Engine, key: u64, bytes: usize) {
    let value = vec![7; bytes];
    let write = Write {
        value: &value,
        ..Write::default()
    };
    let stored = engine.set(0, &key.to_le_bytes(), write, NOW);
    stored.expect("room");
}

#[test]
fn each_hold_counts_and_a_long_operation_has_many() {
    measure_holds(meter);
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 4 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1 << 20,
        hash_seed: 5,
    });
    engine.open(0, 1).expect("a closed partition");
    (0..40_000).for_each(|key| set(&engine, key, 100));
    assert!(engine.stats().evicted > 0, "there is room left");

    take_holds();
    let read = engine.get(0, &39_999_u64.to_le_bytes(), NOW, |_| ());
    assert_eq!(read, Ok(Some(())));
    let holds = take_holds();
    assert_eq!(holds.count, 1);
    let longest = Used {
        cpu_ns: 10,
        faults: 1,
    };
    assert_eq!(holds.longest, longest, "from one look to the next");
    assert_eq!(take_holds().count, 0, "told once");

    // Room for it is made of thousands of entries, and no hold takes more than a few.
    set(&engine, 1 << 40, 1 << 20);
    let holds = take_holds();
    assert!(holds.count > 50, "{holds:?}");
    assert_eq!(holds.longest, longest);
}
