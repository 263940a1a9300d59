//! Replaying against the real engine, in this process: as a node holds it, without a network.

use shoal_engine::{Engine, Eviction, Now, Settings, Write};

use crate::outcome::Outcome;
use crate::slot::partition_of;
use crate::trace::{Request, longest_value};

/// How often the number of entries is looked at.
const LOOK_EVERY: usize = 512;
const ROOMY_BYTES: usize = 64 << 30;
/// A value that fills a segment by itself, and what the allocator takes for that.
const FIRST_VALUE_BYTES: usize = 3000;
const FIRST_ENTRY_BYTES: usize = 3040;

/// What the engine shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cache {
    pub(crate) eviction: Eviction,
    pub(crate) partitions: u32,
    /// What entries may take, beyond what the engine holds when it is empty.
    pub(crate) budget_bytes: usize,
}

/// Replays the whole trace; every partition is open.
pub(crate) fn replay(trace: &[Request], cache: Cache) -> Outcome {
    let base_bytes = base_bytes(cache.partitions);
    let engine = open(cache, base_bytes + cache.budget_bytes);
    let longest = longest_value(trace);
    let mut outcome = Outcome::default();
    let (mut looks, mut seen) = (0, 0);
    for (number, request) in trace.iter().enumerate() {
        let key = request.key();
        let partition = partition_of(key.as_bytes(), cache.partitions);
        // A thousand requests a second.
        let now = Now(1_000_000 + number as u64);
        let found = engine.get(partition, key.as_bytes(), now, |_| ());
        outcome.requests += 1;
        if found.expect("an open partition").is_none() {
            outcome.misses += 1;
            let write = Write {
                value: &longest[..request.value_bytes()],
                ttl_ms: 0,
                absent: false,
                condition: None,
                ..Write::default()
            };
            // A cache that has no room for a value goes without it.
            _ = engine.set(partition, key.as_bytes(), write, now);
        }
        if number > trace.len() / 2 && number.is_multiple_of(LOOK_EVERY) {
            looks += 1;
            seen += engine.stats().entries;
        }
    }
    outcome.entries = seen / looks.max(1);
    outcome.used_bytes = engine.stats().memory_bytes - base_bytes as u64;
    outcome.base_bytes = base_bytes as u64;
    outcome
}

/// What the engine holds when it is empty but has been used: its fixed part, and the first
/// pieces of a table and an index for each partition.
fn base_bytes(partitions: u32) -> usize {
    let cache = Cache {
        eviction: Eviction::None,
        partitions: 1,
        budget_bytes: 0,
    };
    let engine = open(cache, ROOMY_BYTES);
    let write = Write {
        value: &[b'v'; FIRST_VALUE_BYTES],
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    engine.set(0, b"k", write, Now(1)).expect("room");
    let used_bytes = engine.stats().memory_bytes as usize;
    let tables_bytes = used_bytes - engine.fixed_bytes() - FIRST_ENTRY_BYTES;
    let cache = Cache {
        partitions,
        ..cache
    };
    open(cache, ROOMY_BYTES).fixed_bytes() + partitions as usize * tables_bytes
}

fn open(cache: Cache, maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: cache.partitions,
        maxmemory_bytes,
        eviction: cache.eviction,
        key_bytes_max: 1024,
        value_bytes_max: 1 << 20,
        hash_seed: 0x5EED,
    });
    for partition in 0..cache.partitions {
        engine.open(partition, 1).expect("a closed partition");
    }
    engine
}
