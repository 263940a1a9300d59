//! Sequences of engine operations, against a plain map: the twin of the engine's own
//! property tests, with `validate()` every few steps. The fuzzer sees which branches a
//! sequence reaches, where the property tests draw blindly.

#[path = "../../../node/engine/tests/support/step.rs"]
mod step;
#[allow(dead_code, reason = "the property tests use more of it")]
#[path = "../../../node/engine/tests/support/twin.rs"]
mod twin;

use shoal_engine::{Engine, Eviction};
use step::{Step, Wanted};
use twin::{PARTITIONS, TAGS, TIGHT_BYTES, Twin, VALUE_BYTES_MAX, settings};

use crate::input::Input;

const EPOCH: u64 = 7;
const STEPS_MAX: usize = 300;
const POLICIES: [Eviction; 4] = [
    Eviction::S3Fifo,
    Eviction::Lru,
    Eviction::Lfu,
    Eviction::None,
];

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let eviction = POLICIES[usize::from(input.byte() % 4)];
    let is_tight = !input.byte().is_multiple_of(4);
    let maxmemory_bytes = if is_tight { TIGHT_BYTES } else { 4 << 20 };
    let engine = Engine::new(settings(eviction, maxmemory_bytes, 42));
    for partition in 0..PARTITIONS {
        engine.open(partition, EPOCH).unwrap();
    }
    let mut twin = Twin::new(EPOCH, is_tight);
    for number in 1..=STEPS_MAX {
        if input.is_empty() {
            break;
        }
        twin.apply(&engine, &read(&mut input));
        if number % 32 == 0 {
            validate(&engine);
        }
        assert!(engine.stats().memory_bytes as usize <= maxmemory_bytes);
    }
    validate(&engine);
    if !is_tight {
        twin.check_counts(&engine);
    }
    for partition in 0..PARTITIONS {
        engine.close(partition);
    }
    assert_eq!(engine.stats().memory_bytes as usize, engine.fixed_bytes());
}

fn validate(engine: &Engine) {
    for partition in 0..PARTITIONS {
        engine.validate(partition).unwrap();
    }
}

fn read(input: &mut Input<'_>) -> Step {
    let kind = input.byte() % 32;
    let key = u16::from(input.byte() % 64);
    let partition = u32::from(key) % PARTITIONS;
    match kind {
        0..12 => Step::Set {
            key,
            value: value(input),
            ttl_ms: ttl_ms(input),
            absent: kind == 0,
            condition: match input.byte() {
                0..200 => Wanted::Nothing,
                200..210 => Wanted::IfAbsent,
                210..220 => Wanted::IfPresent,
                220..240 => Wanted::IfVersion {
                    off_by: u64::from(input.byte() % 2),
                },
                _ => Wanted::IfVersionOfAnotherEpoch,
            },
            fresh_ms: ttl_ms(input),
            tags: tags(input),
        },
        12..16 => Step::Get { key },
        16..20 => Step::Delete { key },
        20..23 => Step::Incr {
            key,
            delta: input.number().cast_signed(),
            initial: input.number().cast_signed(),
            ttl_ms: ttl_ms(input),
        },
        23..25 => Step::Touch {
            key,
            ttl_ms: ttl_ms(input),
        },
        25..28 => Step::Wait {
            ms: input.number() % (1 << 34),
        },
        28 => match input.byte() {
            drawn if drawn.is_multiple_of(2) => Step::InvalidateTag {
                partition,
                tag: drawn / 2 % TAGS,
            },
            budget => Step::Reclaim {
                partition,
                budget: budget.into(),
            },
        },
        29 => Step::Toggle { partition },
        30 => Step::Switch {
            to: POLICIES[usize::from(input.byte() % 3)],
            budget: input.byte().into(),
        },
        _ => match key % 2 {
            0 => Step::Reopen { partition },
            _ => Step::BadKey,
        },
    }
}

fn ttl_ms(input: &mut Input<'_>) -> u64 {
    match input.byte() % 8 {
        0..4 => 0,
        4 => 1 + u64::from(input.byte()),
        5 => input.short().into(),
        6 => input.long() % (1 << 38),
        _ => u64::MAX,
    }
}

/// Some of them, or none.
fn tags(input: &mut Input<'_>) -> Vec<u8> {
    let drawn = input.byte();
    (0..TAGS).filter(|tag| drawn >> tag & 1 == 1).collect()
}

fn value(input: &mut Input<'_>) -> Vec<u8> {
    let shape = input.byte();
    let byte = input.byte();
    let len = match shape % 8 {
        0 => return input.number().cast_signed().to_string().into_bytes(),
        1 => return input.piece().to_vec(),
        2..6 => usize::from(byte),
        6 => 3900 + usize::from(byte),
        _ => usize::from(input.short()) % (VALUE_BYTES_MAX + 2),
    };
    vec![byte; len]
}
