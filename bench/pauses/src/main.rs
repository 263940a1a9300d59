//! How long one operation holds a partition, at full size.
//!
//! ```text
//! cargo run --release -p shoal-pauses -- [entries] [partitions] [listed]
//! ```
//!
//! `entries` (5,000,000) entries of a 13-byte key and a 100-byte value over `partitions`
//! (1) partitions, and then: overwrites with other sizes, reads, an expiry storm in slices
//! as the server makes them, and writes into full memory. For each phase the distribution
//! of what the longest hold of the lock took within an operation, and of what the operation
//! took in all, both on the thread's own CPU clock; the most work under one hold, which is
//! counted and thus the same on every machine; and the `listed` (10) longest holds.
//!
//! Page faults are in the CPU clock, and so are interrupts, and what a hypervisor does with
//! the core. What the engine does is the same in every run, operation by operation: which
//! of the longest holds are its own is told by running this again (`bench/scenarios/growth`).

use std::mem::MaybeUninit;
use std::ops::Range;

use shoal_engine::{
    Engine, Eviction, Holds, Now, Settings, Used, Write, measure_holds, take_holds,
};

const KEY_BYTES: usize = 13;
const VALUE_BYTES: usize = 100;
/// The budget of one slice of expiry, as in the server.
const SLICE: usize = 32;

/// As in the node: what is mapped by itself, and what may stay free at the end of a heap
/// (`node/server/src/memory/allocator.rs`),
const MAPPED_FROM_BYTES: libc::c_int = 256 << 10;
const KEPT_BYTES: libc::c_int = 4 << 20;

fn main() {
    for (option, bytes) in [
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
    ] {
        // SAFETY: `mallopt` takes two numbers, and may be called at any time.
        assert_eq!(unsafe { libc::mallopt(option, bytes) }, 1);
    }
    measure_holds(used);
    // and the heaps are those of a thread that is not the first.
    let measured = std::thread::spawn(measure).join();
    measured.expect("no phase failed");
}

fn measure() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let entries = arguments.first().copied().unwrap_or(5_000_000);
    let partitions = arguments.get(1).copied().unwrap_or(1) as u32;
    let listed = arguments.get(2).copied().unwrap_or(10) as usize;
    println!("{entries} entries over {partitions} partitions");
    let bench = |maxmemory_bytes| Bench::new(entries, partitions, listed, maxmemory_bytes);
    let with_room = bench(16 << 30);
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
    let full = bench(entries as usize * 150);
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
    listed: usize,
}

impl Bench {
    fn new(entries: u64, partitions: u32, listed: usize, maxmemory_bytes: usize) -> Bench {
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
            listed,
        }
    }

    fn sets(&self, name: &str, keys: Range<u64>, len: impl Fn(u64) -> usize, ttl_ms: u64) {
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
            seen.one(|| {
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
            seen.one(|| {
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
                seen.one(|| {
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
            "{name}: {} operations, {} holds of the lock, holes {:.1} % of {} MiB",
            seen.operations_ns.len(),
            seen.holds,
            stats.waste_bytes as f64 * 100.0 / stats.memory_bytes as f64,
            stats.memory_bytes >> 20
        );
        print_tail(
            "hold, us     ",
            seen.longest.iter().map(|hold| hold.cpu_ns).collect(),
        );
        print_longest(&seen.longest, self.listed);
        print_tail("operation, us", seen.operations_ns);
        println!("  most under one hold so far: {entries_most} entries, {bytes_most} bytes");
    }
}

/// What the operations of a phase took.
struct Seen {
    operations_ns: Vec<u64>,
    /// The longest hold of each.
    longest: Vec<Used>,
    /// Of all together.
    holds: u64,
}

impl Seen {
    fn new(count: u64) -> Seen {
        Seen {
            operations_ns: Vec::with_capacity(count as usize),
            longest: Vec::with_capacity(count as usize),
            holds: 0,
        }
    }

    fn one(&mut self, operation: impl FnOnce()) {
        take_holds();
        let before_ns = cpu_ns();
        operation();
        self.operations_ns.push(cpu_ns() - before_ns);
        let Holds { count, longest } = take_holds();
        self.holds += count;
        self.longest.push(longest);
    }
}

/// The longest holds, the longest first: of which operation of the phase, how long, and how
/// many pages the system had to find meanwhile.
fn print_longest(holds: &[Used], listed: usize) {
    let mut order: Vec<usize> = (0..holds.len()).collect();
    order.sort_by_key(|&number| std::cmp::Reverse(holds[number].cpu_ns));
    print!("  longest holds:");
    for &number in order.iter().take(listed) {
        let Used { cpu_ns, faults } = holds[number];
        print!(" {number}={:.1}us/{faults}", cpu_ns as f64 / 1e3);
    }
    println!();
}

fn print_tail(name: &str, mut found_ns: Vec<u64>) {
    found_ns.sort_unstable();
    let at = |share: f64| {
        let index = (found_ns.len() as f64 * share) as usize;
        found_ns[index.min(found_ns.len() - 1)] as f64 / 1e3
    };
    let mean = found_ns.iter().sum::<u64>() as f64 / found_ns.len() as f64 / 1e3;
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

fn used() -> Used {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call writes the whole of what it is given, which it is asked for here.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    Used {
        cpu_ns: cpu_ns(),
        faults: usage.ru_minflt as u64,
    }
}

fn cpu_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes the whole of what it is given, which it is asked for here.
    let time = unsafe {
        assert_eq!(
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()),
            0
        );
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
