//! Counters and gauges, as Python reads them.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use shoal_server::Stats;

/// Counters since the start, and gauges as they are now.
#[pyclass(frozen, get_all, module = "shoal_node._bridge")]
pub(crate) struct DataPlaneStats {
    requests: BTreeMap<&'static str, u64>,
    failures: BTreeMap<&'static str, u64>,
    hits: u64,
    misses: u64,
    evicted: u64,
    expired: u64,
    forwarded: u64,
    moved: u64,
    connections: usize,
    entries: u64,
    memory_bytes: u64,
    maxmemory_bytes: u64,
    open_partitions: u32,
    lease_remaining_ms: u64,
}

impl From<Stats> for DataPlaneStats {
    fn from(stats: Stats) -> Self {
        DataPlaneStats {
            requests: stats.requests.into_iter().collect(),
            failures: stats.failures.into_iter().collect(),
            hits: stats.hits,
            misses: stats.misses,
            evicted: stats.evicted,
            expired: stats.expired,
            forwarded: stats.forwarded,
            moved: stats.moved,
            connections: stats.connections,
            entries: stats.entries,
            memory_bytes: stats.memory_bytes,
            maxmemory_bytes: stats.maxmemory_bytes,
            open_partitions: stats.open_partitions,
            lease_remaining_ms: stats.lease_remaining_ms,
        }
    }
}
