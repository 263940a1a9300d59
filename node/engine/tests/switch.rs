//! The policy is changed while the engine is in use: the twin must see no difference but
//! who is evicted, and every invariant holds at each step of the way.

mod support;

use proptest::prelude::*;
use shoal_engine::{Engine, Eviction, Now, Settings, Write};
use support::{PARTITIONS, Step, TIGHT_BYTES, Twin, steps};

const NOW: Now = Now(1000);

fn engine(partition_count: u32, maxmemory_bytes: usize, eviction: Eviction) -> Engine {
    let engine = Engine::new(Settings {
        partition_count,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 42,
    });
    for partition in 0..partition_count {
        engine.open(partition, 7).unwrap();
    }
    engine
}

fn settle(engine: &Engine, partition: u32) -> usize {
    let mut turns = 1;
    while engine.continue_switch(partition, 64) {
        turns += 1;
    }
    turns
}

fn run(steps: &[Step], switches: &[(usize, Eviction)], maxmemory_bytes: usize, may_lose: bool) {
    let engine = engine(PARTITIONS, maxmemory_bytes, Eviction::S3Fifo);
    let mut twin = Twin::new(7, may_lose);
    let mut switches = switches.iter().cycle();
    let mut next = switches.next();
    let mut wait = next.map_or(usize::MAX, |(after, _)| *after);
    for step in steps {
        twin.apply(&engine, step);
        if wait == 0 {
            let (_, to) = next.unwrap();
            engine.set_eviction(*to);
            assert_eq!(engine.eviction(), *to);
            next = switches.next();
            wait = next.unwrap().0;
        }
        wait -= 1;
        for partition in 0..PARTITIONS {
            engine.validate(partition).unwrap();
            engine.continue_switch(partition, 2);
            engine.validate(partition).unwrap();
        }
        assert!(engine.stats().memory_bytes as usize <= maxmemory_bytes);
    }
    for partition in 0..PARTITIONS {
        settle(&engine, partition);
        engine.validate(partition).unwrap();
        while engine.reclaim_expired(partition, Now(u64::MAX), 3) > 0 {}
        engine.validate(partition).unwrap();
        engine.close(partition);
    }
    assert_eq!(engine.stats().memory_bytes as usize, engine.fixed_bytes());
}

fn switches() -> impl Strategy<Value = Vec<(usize, Eviction)>> {
    let to = prop::sample::select(Eviction::ALL.to_vec());
    prop::collection::vec((1..60_usize, to), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn switching_in_tight_memory_may_lose_but_never_lies(steps in steps(300, &Eviction::ALL), to in switches()) {
        run(&steps, &to, TIGHT_BYTES, true);
    }

    #[test]
    fn switching_loses_nothing_that_fits(steps in steps(300, &Eviction::ALL), to in switches()) {
        run(&steps, &to, 64 << 20, false);
    }
}

fn set(engine: &Engine, key: u64) -> bool {
    let write = Write {
        value: &[1; 100],
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(0, &key.to_le_bytes(), write, NOW).is_ok()
}

fn has(engine: &Engine, key: u64) -> bool {
    let found = engine.get(0, &key.to_le_bytes(), NOW, |_| ());
    found.unwrap().is_some()
}

/// Filled to the brim under one policy.
fn filled(from: Eviction) -> Engine {
    let engine = engine(1, 256 << 10, from);
    let mut key = 0;
    while set(&engine, key) && engine.stats().evicted == 0 {
        key += 1;
    }
    engine
}

#[test]
fn each_policy_takes_over_what_every_other_one_kept() {
    for from in Eviction::ALL {
        for to in Eviction::ALL {
            let engine = filled(from);
            let entries = engine.stats().entries;
            engine.set_eviction(to);
            let turns = settle(&engine, 0);
            assert_eq!(engine.stats().entries, entries, "{from:?} to {to:?}");
            assert!(
                turns as u64 >= entries / 64,
                "each turn is bounded: {turns}"
            );
            engine.validate(0).unwrap();
            let all_fit = (1 << 40..(1 << 40) + 1000).all(|key| set(&engine, key));
            assert_eq!(all_fit, to != Eviction::None, "{from:?} to {to:?}");
            engine.validate(0).unwrap();
        }
    }
}

#[test]
fn to_lru_keeps_what_is_used_from_then_on() {
    for from in Eviction::ALL {
        let engine = filled(from);
        engine.set_eviction(Eviction::Lru);
        // Used in the midst of the switch, and after it.
        engine.continue_switch(0, 100);
        let kept: Vec<u64> = (0..2000)
            .filter(|&key| has(&engine, key))
            .take(400)
            .collect();
        settle(&engine, 0);
        for key in 10_000..10_500 {
            assert!(set(&engine, key));
        }
        let left = kept.iter().filter(|&&key| has(&engine, key)).count();
        assert_eq!(left, kept.len(), "{from:?}");
        engine.validate(0).unwrap();
    }
}

#[test]
fn a_partition_that_is_opened_later_has_the_new_policy_at_once() {
    let engine = engine(1, 256 << 10, Eviction::S3Fifo);
    engine.close(0);
    engine.set_eviction(Eviction::None);
    engine.open(0, 8).unwrap();
    assert!(!engine.continue_switch(0, 1));
    let written = (0..10_000).take_while(|&key| set(&engine, key)).count();
    assert!(written < 10_000, "none refuses what does not fit");
    assert_eq!(engine.stats().evicted, 0);
}

#[test]
fn names_are_read_as_they_are_written() {
    for eviction in Eviction::ALL {
        assert_eq!(Eviction::named(eviction.name()), Some(eviction));
        assert_eq!(Eviction::ALL[eviction as usize], eviction);
    }
    assert_eq!(Eviction::named("random"), None);
}
