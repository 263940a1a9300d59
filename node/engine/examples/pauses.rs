//! How long one operation holds a partition, at full size.
//!
//! ```text
//! cargo run --release -p shoal-engine --example pauses -- [entries] [partitions]
//! ```
//!
//! `entries` (5,000,000) entries of a 13-byte key and a 100-byte value over `partitions`
//! (1) partitions, and then: overwrites with other sizes, reads, an expiry storm in slices
//! as the server makes them, and writes into full memory. For each phase the distribution
//! of what an operation took on the thread's own CPU clock (page faults are in it, and so
//! is what else the machine does with the core: on a shared one the worst are the
//! machine's), and of the work that it did under the lock, which is counted and thus the
//! same on every machine: entries touched and bytes passed over, by all holds of an
//! operation together, and the most under one hold.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use shoal_engine::{Engine, Eviction, Now, Settings, Work, Write};

const KEY_BYTES: usize = 13;
const VALUE_BYTES: usize = 100;
/// The budget of one slice of expiry, as in the server.
const SLICE: usize = 32;

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let entries = arguments.first().copied().unwrap_or(5_000_000);
    let partitions = arguments.get(1).copied().unwrap_or(1) as u32;
    println!("{entries} entries over {partitions} partitions");
    let with_room = Bench::new(entries, partitions, 16 << 30);
    with_room.sets("insert", 0..entries, |_| VALUE_BYTES, 3_600_000);
    with_room.sets(
        "overwrite, other sizes",
        0..entries / 4,
        |key| (key % 200) as usize,
        3_600_000,
    );
    with_room.gets("get at random", entries / 4);
    with_room.expire("expire, slices of 32", 3_600_000 + 1000);
    drop(with_room);
    let full = Bench::new(entries, partitions, entries as usize * 150);
    full.sets("fill", 0..entries, |_| VALUE_BYTES, 0);
    full.sets(
        "insert into full memory",
        entries..entries * 3 / 2,
        |_| VALUE_BYTES,
        0,
    );
    full.sets(
        "the same, all sizes",
        0..entries / 2,
        |key| (key * 7 % 900) as usize,
        0,
    );
    full.sets("1 MiB into full memory", 0..100, |_| 1 << 20, 0);
    for partition in 0..partitions {
        full.engine.validate(partition).expect("a sound partition");
    }
}

struct Bench {
    engine: Engine,
    entries: u64,
    partitions: u32,
}

impl Bench {
    fn new(entries: u64, partitions: u32, maxmemory_bytes: usize) -> Bench {
        let engine = Engine::new(Settings {
            partition_count: partitions,
            maxmemory_bytes,
            eviction: Eviction::S3Fifo,
            key_bytes_max: 1024,
            value_bytes_max: 1 << 20,
            hash_seed: 0x5EED,
        });
        for partition in 0..partitions {
            engine.open(partition, 1).expect("a closed partition");
        }
        Bench {
            engine,
            entries,
            partitions,
        }
    }

    fn sets(
        &self,
        name: &str,
        keys: std::ops::Range<u64>,
        len: impl Fn(u64) -> usize,
        ttl_ms: u64,
    ) {
        let value = vec![7; 1 << 20];
        let mut seen = Seen::new(keys.end - keys.start);
        for number in keys {
            let write = Write {
                value: &value[..len(number)],
                ttl_ms,
                absent: false,
                condition: None,
                ..Write::default()
            };
            let partition = self.partition(number);
            seen.one(self, partition, || {
                let stored = self
                    .engine
                    .set(partition, &key(number), write, Now(1_000_000));
                stored.expect("room");
            });
        }
        self.print(name, seen);
    }

    fn gets(&self, name: &str, count: u64) {
        let mut seen = Seen::new(count);
        let mut out = Vec::with_capacity(VALUE_BYTES);
        for number in 0..count {
            let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.entries;
            let partition = self.partition(number);
            seen.one(self, partition, || {
                out.clear();
                let read = |entry: shoal_engine::Entry<'_>| out.extend_from_slice(entry.value);
                let found = self
                    .engine
                    .get(partition, &key(number), Now(1_000_000), read);
                found.expect("an open partition").expect("a hit");
            });
        }
        self.print(name, seen);
    }

    fn expire(&self, name: &str, after_ms: u64) {
        let mut seen = Seen::new(self.entries / SLICE as u64);
        let now = Now(1_000_000 + after_ms);
        for partition in 0..self.partitions {
            let mut more = true;
            while more {
                seen.one(self, partition, || {
                    more = self.engine.reclaim(partition, now, SLICE).more;
                });
            }
        }
        assert_eq!(self.engine.stats().entries, 0);
        self.print(name, seen);
    }

    fn partition(&self, number: u64) -> u32 {
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (spread % u64::from(self.partitions)) as u32
    }

    fn print(&self, name: &str, seen: Seen) {
        let works = (0..self.partitions).filter_map(|partition| self.engine.work(partition));
        let (entries_most, bytes_most) = works.fold((0, 0), |(entries, bytes), work| {
            (
                entries.max(work.hold_entries_most),
                bytes.max(work.hold_bytes_most),
            )
        });
        let stats = self.engine.stats();
        println!(
            "{name}: {} operations, holes {:.1} % of {} MiB",
            seen.cpu_ns.len(),
            stats.waste_bytes as f64 * 100.0 / stats.memory_bytes as f64,
            stats.memory_bytes >> 20
        );
        print_tail("CPU, us ", seen.cpu_ns, 1e3);
        print_tail("entries ", seen.entries, 1.0);
        print_tail("bytes   ", seen.bytes, 1.0);
        println!("  most under one hold so far: {entries_most} entries, {bytes_most} bytes");
    }
}

/// What each operation of a phase took.
struct Seen {
    cpu_ns: Vec<u64>,
    entries: Vec<u64>,
    bytes: Vec<u64>,
}

impl Seen {
    fn new(count: u64) -> Seen {
        let room = || Vec::with_capacity(count as usize);
        Seen {
            cpu_ns: room(),
            entries: room(),
            bytes: room(),
        }
    }

    fn one(&mut self, bench: &Bench, partition: u32, operation: impl FnOnce()) {
        let work = || -> Work { bench.engine.work(partition).expect("an open partition") };
        let (work_before, cpu_before) = (work(), thread_cpu());
        operation();
        let (cpu_after, work_after) = (thread_cpu(), work());
        self.cpu_ns.push((cpu_after - cpu_before).as_nanos() as u64);
        self.entries.push(work_after.entries - work_before.entries);
        self.bytes.push(work_after.bytes - work_before.bytes);
    }
}

fn print_tail(name: &str, mut found: Vec<u64>, unit: f64) {
    found.sort_unstable();
    let at = |share: f64| {
        let index = (found.len() as f64 * share) as usize;
        found[index.min(found.len() - 1)] as f64 / unit
    };
    let mean = found.iter().sum::<u64>() as f64 / found.len() as f64 / unit;
    println!(
        "  {name}  mean {mean:.2}  p50 {:.1}  p99 {:.1}  p99.9 {:.1}  p99.99 {:.1}  p99.999 {:.1}  worst {:.1}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.9999),
        at(0.99999),
        at(1.0),
    );
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
