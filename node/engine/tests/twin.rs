//! The engine against a plain map, operation by operation, with a clock of our own.

mod support;

use std::hash::Hasher;
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now};
use support::{KEY_BYTES_MAX, PARTITIONS, Step, TIGHT_BYTES, Twin, settings, steps};

const SEED: u64 = 42;
const EVICTING: &[Eviction] = &[Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu];

fn run(eviction: Eviction, maxmemory_bytes: usize, steps: &[Step], may_lose: bool) {
    run_with(
        eviction,
        maxmemory_bytes,
        steps,
        Twin::new(7, may_lose),
        may_lose,
    );
}

fn run_with(
    eviction: Eviction,
    maxmemory_bytes: usize,
    steps: &[Step],
    mut twin: Twin,
    may_lose: bool,
) {
    let engine = Engine::new(settings(eviction, maxmemory_bytes, SEED));
    for partition in 0..PARTITIONS {
        engine.open(partition, 7).unwrap();
    }
    for (number, step) in steps.iter().enumerate() {
        twin.apply(&engine, step);
        let is_due = number % 16 == 0 || number + 1 == steps.len();
        if is_due {
            validate(&engine, step);
        }
        assert!(engine.stats().memory_bytes as usize <= maxmemory_bytes);
    }
    if !may_lose {
        twin.check_counts(&engine);
    }
    for partition in 0..PARTITIONS {
        while engine.reclaim_expired(partition, Now(u64::MAX), 3) > 0 {}
        engine.validate(partition).unwrap();
        engine.close(partition);
    }
    assert_eq!(engine.stats().memory_bytes as usize, engine.fixed_bytes());
}

fn validate(engine: &Engine, step: &Step) {
    for partition in 0..PARTITIONS {
        engine
            .validate(partition)
            .unwrap_or_else(|broken| panic!("{broken} after {step:?}"));
    }
}

/// Keys that an index of any size up to 4096 heads keeps in one chain: the hash of the
/// tables, done again with the seed that nobody outside knows.
fn colliding(key: u16) -> Vec<u8> {
    static KEYS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let shared = SharedSeed::from_u64(SEED.rotate_left(32));
        let collides = |key: &Vec<u8>| {
            let mut hasher = FoldHasher::with_seed(SEED, &shared);
            hasher.write(key);
            hasher.finish() & 0xFFF == 0xABC
        };
        let all = (0_u64..).map(|number| format!("{number}").into_bytes());
        all.filter(collides).take(40).collect()
    });
    keys[usize::from(key)].clone()
}

/// The same key with each possible last byte, as long as a key may be.
fn almost_equal(key: u16) -> Vec<u8> {
    let mut name = vec![b'k'; KEY_BYTES_MAX];
    name[KEY_BYTES_MAX - 1] = key as u8;
    name
}

/// As many as `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(80, |_| ProptestConfig::default().cases)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn with_memory_enough_nothing_differs(
        steps in steps(400, &[Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu, Eviction::None]),
    ) {
        run(Eviction::S3Fifo, 64 << 20, &steps, false);
    }

    #[test]
    fn s3fifo_may_lose_but_never_lie(steps in steps(400, &[Eviction::S3Fifo])) {
        run(Eviction::S3Fifo, TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn lru_may_lose_but_never_lie(steps in steps(400, &[Eviction::Lru])) {
        run(Eviction::Lru, TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn lfu_may_lose_but_never_lie(steps in steps(400, &[Eviction::Lfu])) {
        run(Eviction::Lfu, TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn policies_that_are_switched_under_pressure_never_lie(steps in steps(400, EVICTING)) {
        run(Eviction::Lru, TIGHT_BYTES, &steps, true);
    }

    #[test]
    fn without_eviction_nothing_is_lost(steps in steps(400, &[Eviction::None])) {
        run(Eviction::None, TIGHT_BYTES, &steps, false);
    }

    #[test]
    fn keys_that_share_a_chain_are_told_apart(steps in steps(300, EVICTING)) {
        let twin = Twin::new(7, false).spelling(colliding);
        run_with(Eviction::S3Fifo, 64 << 20, &steps, twin, false);
    }

    #[test]
    fn keys_that_differ_in_the_last_byte_are_told_apart(steps in steps(300, EVICTING)) {
        let twin = Twin::new(7, true).spelling(almost_equal);
        run_with(Eviction::S3Fifo, TIGHT_BYTES, &steps, twin, true);
    }
}
