//! Measures what an entry costs and the worst pause while a partition grows.
//!
//! ```text
//! cargo run --release -p shoal-engine --example footprint -- [entries] [growth]
//! ```
//!
//! First: `entries` (1,000,000) entries of a 13-byte key and a 100-byte value, each with a
//! time to live and a version, over 256 partitions. Bytes above key and value, as the
//! account counts them and as the process's resident memory grew (Linux).
//!
//! Then: `growth` (5,000,000) such entries into a fresh engine, each set timed on the
//! thread's own CPU clock, so that a busy machine does not count as a pause of the engine;
//! wall time stands beside it. Page faults are in both.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use shoal_engine::{Engine, Eviction, Now, Settings, Write};

const KEY_BYTES: usize = 13;
const VALUE_BYTES: usize = 100;
const PARTITIONS: u32 = 256;

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number of entries"))
        .collect();
    footprint(arguments.first().copied().unwrap_or(1_000_000));
    growth(arguments.get(1).copied().unwrap_or(5_000_000));
}

fn footprint(entries: u64) {
    let before = resident_bytes();
    let engine = engine();
    fill(&engine, entries, || {});
    let stats = engine.stats();
    assert_eq!(stats.entries, entries);
    let resident = resident_bytes() - before;
    println!("{entries} entries of {KEY_BYTES} + {VALUE_BYTES} bytes, each with TTL and version");
    println!(
        "  accounted {:8.2} bytes above key and value",
        above(stats.memory_bytes, entries)
    );
    println!(
        "  resident  {:8.2} bytes above key and value",
        above(resident, entries)
    );
    for partition in 0..PARTITIONS {
        engine.validate(partition).expect("a sound partition");
    }
    let start = Instant::now();
    for partition in 0..PARTITIONS {
        engine.close(partition);
    }
    println!("  closed in {:?}, {PARTITIONS} partitions", start.elapsed());
}

fn growth(entries: u64) {
    let engine = engine();
    let mut cpu_ns = Vec::with_capacity(entries as usize);
    let mut wall_ns = Vec::with_capacity(entries as usize);
    let (start, start_cpu) = (Instant::now(), thread_cpu());
    let (mut last, mut last_cpu) = (start, start_cpu);
    fill(&engine, entries, || {
        let (now, now_cpu) = (Instant::now(), thread_cpu());
        wall_ns.push((now - last).as_nanos() as u64);
        cpu_ns.push((now_cpu - last_cpu).as_nanos() as u64);
        (last, last_cpu) = (now, now_cpu);
    });
    let cpu = thread_cpu() - start_cpu;
    println!(
        "{entries} sets in {:.1?}, {cpu:.1?} of CPU with the clocks",
        start.elapsed()
    );
    println!(
        "  accounted {:8.2} bytes above key and value",
        above(engine.stats().memory_bytes, entries)
    );
    print_tail("CPU ", cpu_ns);
    print_tail("wall", wall_ns);
}

fn print_tail(name: &str, mut nanos: Vec<u64>) {
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() as f64 * share) as usize).min(nanos.len() - 1)];
    let micros = |nanos: u64| nanos as f64 / 1e3;
    println!(
        "  {name}  p50 {:.1}  p99 {:.1}  p99.9 {:.1}  p99.99 {:.1}  p99.999 {:.1}  worst {:.1} us",
        micros(at(0.5)),
        micros(at(0.99)),
        micros(at(0.999)),
        micros(at(0.9999)),
        micros(at(0.99999)),
        micros(at(1.0)),
    );
}

fn above(bytes: u64, entries: u64) -> f64 {
    let payload = entries * (KEY_BYTES + VALUE_BYTES) as u64;
    (bytes as f64 - payload as f64) / entries as f64
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

fn fill(engine: &Engine, entries: u64, mut after_each: impl FnMut()) {
    let value = [7; VALUE_BYTES];
    for number in 0..entries {
        let key = key(number);
        let partition = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u32;
        let write = Write {
            value: &value,
            ttl_ms: 3_600_000,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine
            .set(partition, &key, write, Now(1_000_000 + number / 1000))
            .expect("room");
        after_each();
    }
}

fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key:000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
