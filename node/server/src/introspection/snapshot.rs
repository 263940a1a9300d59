//! Everything that a node knows of itself, read once, as plain values.
//!
//! The parts are read one after the other while the node works: figures of one part
//! belong together, those of two may be apart by what happened between.

use std::sync::atomic::Ordering::Relaxed;

use shoal_engine::PartitionStats;

use super::kind::{Operation, Outcome};
use super::{BigKey, HotKey, SlowRequest, hot, slow};
use crate::clock::engine_now;
use crate::data_plane::Stats;
use crate::node::Node;
use crate::service::Method;
use crate::tls::HandshakesTold;

/// Keys told of the hottest, and of the biggest.
const KEYS_TOLD: usize = 32;

/// One node, at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counters and gauges.
    pub stats: Stats,
    /// The eviction policy.
    pub eviction: &'static str,
    /// Open partitions that are still on their way to it.
    pub switching_partitions: u32,
    /// Operation, outcome, and how many there were.
    pub operations: Vec<(&'static str, &'static str, u64)>,
    /// How long requests took.
    pub durations: Vec<MethodDurations>,
    /// Bytes by what they are for: what the engine counts, and what stands beside it.
    pub memory: Vec<(&'static str, u64)>,
    /// What replication has moved, and who follows.
    pub replication: Vec<(&'static str, u64)>,
    /// Fill leases: what there is, and what was counted.
    pub fills: Vec<(&'static str, u64)>,
    /// Near caches: what there is, and what was counted.
    pub near: Vec<(&'static str, u64)>,
    /// Handshakes of TLS with callers and with other nodes; none where it is not spoken.
    pub tls: Vec<(&'static str, HandshakesTold)>,
    /// Partitions served here.
    pub partitions: Vec<PartitionStats>,
    /// The slow log.
    pub slow: SlowTold,
    /// The hottest keys.
    pub hot: HotKeysTold,
    /// The biggest keys.
    pub big: BigKeysTold,
}

/// How long the requests of one method took, of those that were answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodDurations {
    /// The method.
    pub method: &'static str,
    /// Requests.
    pub count: u64,
    /// Their durations, summed.
    pub sum_ns: u64,
    /// For each end in nanoseconds, how many took no longer.
    pub buckets: Vec<(u64, u64)>,
    /// Half took no longer. Quantiles are at most 6.25 % too high.
    pub p50_ns: u64,
    /// Of a hundred, 99 took no longer.
    pub p99_ns: u64,
    /// Of a thousand, 999 took no longer.
    pub p999_ns: u64,
    /// None took longer.
    pub max_ns: u64,
}

/// The slow log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowTold {
    /// What takes this long is slow.
    pub threshold_ns: u64,
    /// How many there were.
    pub total: u64,
    /// The last of them, the newest first.
    pub requests: Vec<SlowRequest>,
}

/// The hottest keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HotKeysTold {
    /// One operation in so many is looked at now.
    pub sampled_one_in: u32,
    /// Counts halve in this time.
    pub half_life_ms: u64,
    /// The hottest first.
    pub keys: Vec<HotKey>,
}

/// The biggest keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BigKeysTold {
    /// Every entry with more bytes than this is told.
    pub complete_above_bytes: u64,
    /// The biggest first.
    pub keys: Vec<BigKey>,
}

impl Snapshot {
    pub(crate) fn of(node: &Node) -> Snapshot {
        let engine = node.engine.inspect();
        let mut memory = engine.memory.kinds().to_vec();
        let held_bytes = node.held_bytes.load(Relaxed);
        memory.push(("connections", held_bytes as u64));
        memory.push(("introspection", node.introspection.memory_bytes() as u64));
        let switching = engine.partitions.iter().filter(|it| it.is_switching);
        Snapshot {
            stats: Stats::of(node, engine.total),
            eviction: node.engine.eviction().name(),
            switching_partitions: switching.count() as u32,
            operations: operations(node),
            durations: durations(node),
            memory,
            replication: node.replication.told(node),
            fills: fills(node),
            near: node.near.told(),
            tls: node.tls.iter().flat_map(|tls| tls.told()).collect(),
            partitions: engine.partitions,
            slow: slow_requests(node),
            hot: hot_keys(node),
            big: big_keys(node),
        }
    }
}

fn operations(node: &Node) -> Vec<(&'static str, &'static str, u64)> {
    let stripes = &node.introspection.stripes;
    Operation::ALL
        .into_iter()
        .flat_map(|operation| Outcome::ALL.map(|outcome| (operation, outcome)))
        .filter(|(operation, outcome)| outcome.is_of(*operation))
        .map(|(operation, outcome)| {
            let count = stripes.operations_of(operation, outcome);
            (operation.name(), outcome.name(), count)
        })
        .collect()
}

fn durations(node: &Node) -> Vec<MethodDurations> {
    let timed = Method::ALL.iter().filter(|method| method.is_timed());
    timed
        .map(|&method| {
            let told = node.introspection.stripes.durations_of(method);
            MethodDurations {
                method: method.name(),
                count: told.count(),
                sum_ns: told.sum_ns(),
                buckets: told.cumulative(),
                p50_ns: told.quantile_ns(0.5),
                p99_ns: told.quantile_ns(0.99),
                p999_ns: told.quantile_ns(0.999),
                max_ns: told.quantile_ns(1.0),
            }
        })
        .collect()
}

fn fills(node: &Node) -> Vec<(&'static str, u64)> {
    let counts = node.engine.fill_counts();
    vec![
        ("leases", counts.leases),
        ("waiters", counts.waiters),
        ("given", counts.given),
        ("passed", counts.passed),
        ("stored", counts.stored),
        ("void", counts.void),
        ("ran_out", counts.ran_out),
        ("full", counts.full),
    ]
}

fn slow_requests(node: &Node) -> SlowTold {
    let slow = &node.introspection.slow;
    let (total, requests) = slow.read();
    SlowTold {
        threshold_ns: slow.threshold_ns(),
        total,
        requests,
    }
}

fn hot_keys(node: &Node) -> HotKeysTold {
    let now_ms = node.clock.boottime_ns() / 1_000_000;
    HotKeysTold {
        sampled_one_in: node.introspection.hot.one_in(),
        half_life_ms: hot::HALF_LIFE_MS,
        keys: node.introspection.hot.read(KEYS_TOLD, now_ms),
    }
}

fn big_keys(node: &Node) -> BigKeysTold {
    let now = engine_now(node.clock.boottime_ns());
    let size_of = |key: &BigKey| node.engine.payload_bytes(key.partition, &key.key, now);
    let (complete_above_bytes, keys) = node.introspection.big.read(KEYS_TOLD, size_of);
    BigKeysTold {
        complete_above_bytes,
        keys,
    }
}

impl super::Introspection {
    /// What it takes at most: fixed, and the keys that it may hold.
    fn memory_bytes(&self) -> usize {
        let keys = slow::ENTRIES_MAX + super::big::KEYS_MAX;
        let entry_bytes = super::KEY_BYTES_KEPT + size_of::<SlowRequest>();
        let fixed_bytes = size_of::<Self>() + self.stripes.memory_bytes();
        fixed_bytes + keys * entry_bytes + hot::memory_bytes()
    }
}
