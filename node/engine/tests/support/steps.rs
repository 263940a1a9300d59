//! Sequences of steps, drawn by proptest.

use proptest::prelude::*;
use shoal_engine::Eviction;

use super::step::{Step, Wanted};
use super::twin::{PARTITIONS, TAGS, VALUE_BYTES_MAX};

/// Up to `count` steps. `evictions` are the policies that may be switched to.
pub(crate) fn steps(
    count: usize,
    evictions: &'static [Eviction],
) -> impl Strategy<Value = Vec<Step>> {
    let key = 0..40_u16;
    let partition = 0..PARTITIONS;
    let ttl_ms = prop_oneof![
        4 => Just(0_u64), 4 => 1..300_u64, 3 => 1..20_000_u64, 1 => 1..10_000_000_000_u64,
        1 => Just(u64::MAX),
    ];
    let largest = VALUE_BYTES_MAX;
    let value = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..40),
        4 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        2 => prop::sample::select(vec![i64::MAX, i64::MIN, i64::MAX - 1])
            .prop_map(|n| n.to_string().into_bytes()),
        6 => (any::<u8>(), 0..1000_usize).prop_map(|(byte, len)| vec![byte; len]),
        2 => (any::<u8>(), 3000..largest).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), largest - 1..largest + 2).prop_map(|(byte, len)| vec![byte; len]),
        // Around where an entry is given an allocation of its own.
        1 => (any::<u8>(), 4000..4200_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let condition = prop_oneof![
        6 => Just(Wanted::Nothing),
        1 => Just(Wanted::IfAbsent),
        1 => Just(Wanted::IfPresent),
        2 => (0..2_u64).prop_map(|off_by| Wanted::IfVersion { off_by }),
        1 => Just(Wanted::IfVersionOfAnotherEpoch),
    ];
    let number = prop_oneof![-3..4_i64, Just(i64::MAX), Just(i64::MIN), any::<i64>()];
    let wait_ms = prop_oneof![
        8 => 0..100_u64, 8 => 0..10_000_u64, 8 => 0..5_000_000_000_u64,
        // A jump of a year or two.
        1 => (1_u64 << 35)..(1 << 36),
    ];
    let step = prop_oneof![
        12 => key.clone().prop_map(|key| Step::Get { key }),
        16 => (
            key.clone(),
            value,
            ttl_ms.clone(),
            prop::bool::weighted(0.1),
            condition,
            prop_oneof![3 => Just(0_u64), 1 => ttl_ms.clone()],
            prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(0..TAGS, 0..4)],
        ).prop_map(|(key, value, ttl_ms, absent, condition, fresh_ms, tags)| Step::Set {
            key, value, ttl_ms, absent, condition, fresh_ms, tags,
        }),
        6 => key.clone().prop_map(|key| Step::Delete { key }),
        6 => (key.clone(), number.clone(), number, ttl_ms.clone())
            .prop_map(|(key, delta, initial, ttl_ms)| Step::Incr { key, delta, initial, ttl_ms }),
        4 => (key, ttl_ms).prop_map(|(key, ttl_ms)| Step::Touch { key, ttl_ms }),
        3 => (partition.clone(), 0..TAGS)
            .prop_map(|(partition, tag)| Step::InvalidateTag { partition, tag }),
        4 => wait_ms.prop_map(|ms| Step::Wait { ms }),
        4 => (partition.clone(), 0..8_usize)
            .prop_map(|(partition, budget)| Step::Reclaim { partition, budget }),
        1 => partition.clone().prop_map(|partition| Step::Reopen { partition }),
        1 => partition.prop_map(|partition| Step::Toggle { partition }),
        1 => Just(Step::BadKey),
        1 => (prop::sample::select(evictions), 0..40_usize)
            .prop_map(|(to, budget)| Step::Switch { to, budget }),
    ];
    prop::collection::vec(step, 1..count)
}
