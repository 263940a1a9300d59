//! Batches of replication: whatever bytes come, a follower applies them or refuses them,
//! and stays sound. Some inputs go on from a copy that holds something already.

use shoal_engine::{Engine, Eviction, Now, Position, Role, Settings, Write};

use crate::input::Input;

const NOW: Now = Now(1_000_000);
const BATCHES_MAX: usize = 16;

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 256 << 10,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 42,
    });
    let mode = input.byte();
    prepare(&engine, mode);
    for _ in 0..BATCHES_MAX {
        if input.is_empty() {
            break;
        }
        let count = usize::from(input.short());
        let batch = input.take(count);
        let before = engine.position(0);
        let applied = engine.apply(0, batch, NOW);
        engine.validate(0).unwrap();
        assert!(engine.used_bytes() <= engine.limit_bytes());
        match applied {
            Ok(applied) => assert_eq!(engine.position(0), Some(applied.position)),
            Err(_) => assert!(engine.position(0) >= before),
        }
    }
    if engine.role(0) == Some(Role::Restoring) {
        assert!(engine.promote(0, u64::MAX).is_err());
        assert!(engine.discard(0));
        assert_eq!(engine.position(0), Some(Position::NOTHING));
    }
    // An epoch above all that it heard of, if there is one.
    if engine.promote(0, u64::MAX).is_ok() {
        let deleted = engine.delete(0, b"key", NOW).unwrap();
        assert_eq!(deleted.version.epoch, u64::MAX);
    }
    engine.validate(0).unwrap();
    engine.close(0);
    assert_eq!(engine.stats().memory_bytes as usize, engine.fixed_bytes());
}

/// A follower that is empty, or that has written two values under epoch 1.
fn prepare(engine: &Engine, mode: u8) {
    if mode.is_multiple_of(2) {
        engine.open_follower(0).unwrap();
    } else {
        engine.open(0, 1).unwrap();
        for value in [&b"1"[..], b"two"] {
            let write = Write {
                value,
                ttl_ms: 500,
                absent: false,
                condition: None,
                ..Write::default()
            };
            engine.set(0, value, write, NOW).unwrap();
        }
        engine.demote(0).unwrap();
    }
    engine.keep_log(0, mode & 2 != 0).unwrap();
}
