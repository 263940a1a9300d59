//! Where the pages of a long value are found: by its writer, before it holds the partition.

#![cfg(target_os = "linux")]

use std::mem::MaybeUninit;

use shoal_engine::{Engine, Eviction, Now, Settings, Used, Write, measure_holds, take_holds};

const NOW: Now = Now(1000);
const LONG_BYTES: usize = 1 << 20;

/// The longest hold is the one with the most faults.
fn faults() -> Used {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call writes the whole of what it is given, which it is asked for here.
    let faults = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()), 0);
        usage.assume_init().ru_minflt as u64
    };
    Used {
        cpu_ns: faults,
        faults,
    }
}

fn set(engine: &Engine, key: u64, value: &[u8]) {
    let write = Write {
        value,
        ..Write::default()
    };
    let stored = engine.set(0, &key.to_le_bytes(), write, NOW);
    stored.expect("room");
}

#[test]
fn a_partition_is_not_held_while_the_system_finds_pages() {
    measure_holds(faults);
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 64 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: LONG_BYTES,
        hash_seed: 5,
    });
    engine.open(0, 1).expect("a closed partition");
    let value = vec![7; LONG_BYTES];
    take_holds();
    let before = faults().faults;
    for key in 0..8 {
        set(&engine, key, &value);
    }
    let found = faults().faults - before;
    assert!(found > 8 * 200, "{found}: the allocator had pages left");
    let holds = take_holds();
    assert!(holds.longest.faults < 16, "{holds:?}");

    // Small ones are stored where their segment ends: a page each at most, and what tables
    // grow by.
    (8..20_000).for_each(|key| set(&engine, key, &value[..100]));
    let holds = take_holds();
    assert!(holds.longest.faults < 8, "{holds:?}");
}
