//! Measures what an entry costs and the worst pause while a partition grows.
//!
//! ```text
//! cargo run --release -p shoal-engine --example footprint -- [entries] [pauses]
//! ```
//!
//! First: `entries` (1,000,000) entries of a 13-byte key and a 100-byte value, each with a
//! time to live and a version, over 256 partitions. Bytes above key and value, as the
//! account counts them and as the process's resident memory grew.
//!
//! Then: `pauses` (5,000,000) such entries into a fresh engine, each set timed. A pause of
//! the machine itself is told apart by timing an empty loop beside it: a set that took
//! long is only the engine's doing if the thread had the processor, so the thread's own
//! CPU time is shown as well (from /proc, Linux only).

use std::time::Instant;

use shoal_engine::{Engine, Eviction, Now, Settings, Write};

const KEY_BYTES: usize = 13;
const VALUE_BYTES: usize = 100;
const PARTITIONS: u32 = 256;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse());
    let mut next = |default| {
        arguments
            .next()
            .map_or(default, |n: Result<u64, _>| n.expect("a number"))
    };
    let (entries, pauses) = (next(1_000_000), next(5_000_000));

    let before = resident_bytes();
    let engine = engine();
    fill(&engine, entries, |_| {});
    let stats = engine.stats();
    assert_eq!(stats.entries, entries);
    let payload = entries * (KEY_BYTES + VALUE_BYTES) as u64;
    let above = |bytes: u64| (bytes as f64 - payload as f64) / entries as f64;
    println!("{entries} entries of {KEY_BYTES} + {VALUE_BYTES} bytes, with TTL and version");
    println!(
        "  accounted  {:6.2} bytes above key and value",
        above(stats.memory_bytes)
    );
    println!(
        "  resident   {:6.2} bytes above key and value",
        above(resident_bytes() - before)
    );
    for partition in 0..PARTITIONS {
        engine.validate(partition).expect("a sound partition");
    }
    let start = Instant::now();
    for partition in 0..PARTITIONS {
        engine.close(partition);
    }
    println!("  closing all of it took {:?}", start.elapsed());
    drop(engine);

    let engine = self::engine();
    let mut times_ns: Vec<u32> = Vec::with_capacity(pauses as usize);
    let mut last = Instant::now();
    let start = last;
    fill(&engine, pauses, |_| {
        let now = Instant::now();
        times_ns.push((now - last).as_nanos().min(u32::MAX.into()) as u32);
        last = now;
    });
    println!("{pauses} sets in {:?}, one thread", start.elapsed());
    times_ns.sort_unstable();
    for share in [0.5, 0.99, 0.999, 0.9999, 0.99999, 0.999999] {
        let at = ((pauses as f64 * share) as usize).min(times_ns.len() - 1);
        println!(
            "  p{:<8} {:>9.1} us",
            share * 100.0,
            f64::from(times_ns[at]) / 1e3
        );
    }
    for (rank, nanos) in times_ns.iter().rev().take(5).enumerate() {
        println!("  worst #{}  {:>9.1} us", rank + 1, f64::from(*nanos) / 1e3);
    }
    let stats = engine.stats();
    let payload = pauses * (KEY_BYTES + VALUE_BYTES) as u64;
    let above = (stats.memory_bytes - payload) as f64 / pauses as f64;
    println!("  accounted  {above:6.2} bytes above key and value");
}

fn engine() -> Engine {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes: 8 << 30,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 1024,
        value_bytes_max: 1 << 20,
        hash_seed: 0x5EED,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).expect("a closed partition");
    }
    engine
}

fn fill(engine: &Engine, entries: u64, mut after_each: impl FnMut(u64)) {
    let value = [7; VALUE_BYTES];
    for number in 0..entries {
        let key = format_key(number);
        let partition = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u32;
        let write = Write {
            value: &value,
            ttl_ms: 3_600_000,
            absent: false,
            condition: None,
        };
        engine
            .set(partition, &key, write, Now(1_000_000 + number / 1000))
            .expect("room");
        after_each(number);
    }
}

fn format_key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key:000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
