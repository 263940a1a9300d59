//! A primary and its followers converge, whatever is lost, cut or promoted on the way, and
//! a copy never shows anything but what was at its position.

mod support;

use proptest::prelude::*;
use support::act::Act;
use support::group::{Group, KEYS, NODES, TAGS};

fn acts(count: usize) -> impl Strategy<Value = Vec<Act>> {
    let key = 0..KEYS;
    let node = 0..NODES;
    let ttl_ms = prop_oneof![3 => Just(0_u64), 3 => 1..3000_u64, 1 => 1..100_000_u64];
    let id = prop::option::weighted(0.4, 0..12_u8);
    let value = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..40),
        3 => (any::<u8>(), 0..900_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 4000..9000_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let budget = prop_oneof![Just(1_usize), 1..400_usize, Just(1 << 20)];
    let act = prop_oneof![
        14 => (
            key.clone(), value, ttl_ms.clone(), prop::bool::weighted(0.1), any::<bool>(),
            id.clone(), ttl_ms.clone(),
            prop_oneof![Just(vec![]), prop::collection::vec(0..TAGS, 0..3)],
        ).prop_map(|(key, value, ttl_ms, absent, if_version, id, fresh_ms, tags)|
            Act::Set { key, value, ttl_ms, absent, if_version, id, fresh_ms, tags }),
        6 => (key.clone(), any::<i8>(), id).prop_map(|(key, delta, id)|
            Act::Incr { key, delta, id }),
        6 => key.clone().prop_map(|key| Act::Delete { key }),
        4 => (key, ttl_ms).prop_map(|(key, ttl_ms)| Act::Touch { key, ttl_ms }),
        3 => (0..TAGS).prop_map(|tag| Act::Invalidate { tag }),
        4 => (0..1500_u64).prop_map(|ms| Act::Wait { ms }),
        2 => Just(Act::Reclaim),
        16 => (node.clone(), budget, prop::bool::weighted(0.1)).prop_map(
            |(to, budget, is_lost)| Act::Ship { to, budget, is_lost }),
        2 => node.clone().prop_map(|to| Act::Break { to }),
        1 => node.clone().prop_map(|to| Act::Discard { to }),
        1 => prop_oneof![Just(0_usize), 600..20_000_usize]
            .prop_map(|bytes| Act::LimitLog { bytes }),
        1 => (node, 0..5_u8).prop_map(|(to, late_writes)| Act::Promote { to, late_writes }),
    ];
    prop::collection::vec(act, 1..count)
}

fn run(acts: &[Act], maxmemory_bytes: usize, may_lose: bool, keeps_logs: bool) {
    let mut group = Group::new(maxmemory_bytes, may_lose, keeps_logs);
    for act in acts {
        group.act(act);
    }
    for node in 0..NODES {
        group.check(node);
    }
    group.settle();
}

/// As many as `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(60, |_| ProptestConfig::default().cases)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn with_memory_enough_copies_are_exact_at_every_position(acts in acts(300)) {
        run(&acts, 8 << 20, false, false);
    }

    #[test]
    fn followers_with_logs_of_their_own_go_on_from_each_other(acts in acts(300)) {
        run(&acts, 8 << 20, false, true);
    }

    #[test]
    fn copies_in_tight_memory_may_lose_but_never_lie(acts in acts(300)) {
        run(&acts, 48 << 10, true, true);
    }
}
