//! What a second thread is worth: on keys of its own, on the same hot key, and beside a
//! hot key that another thread reads.
//!
//! ```text
//! cargo run --release -p shoal-engine --example cores -- [threads] [beside]
//! ```
//!
//! `threads` (2) threads read 1 KiB values and copy each once, as the server does.
//! Between two reads a thread does `beside` (0) rounds of arithmetic, which stand for what
//! a request costs elsewhere; a thousand are some microseconds. Without them this is the
//! worst that a lock can meet: nobody does anything but hold it. Beside reads a second
//! stands the CPU time of a read on its thread, which says on a busy machine too whether
//! threads get into each other's way.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use shoal_engine::{Engine, Eviction, Now, Settings, Write};

const PARTITIONS: u64 = 256;
const KEYS: u64 = 100_000;
const READS: u64 = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let threads = arguments.first().copied().unwrap_or(2);
    let beside = arguments.get(1).copied().unwrap_or(0);
    let engine = filled();
    let one = median(&engine, 1, beside, |_, lot| lot % KEYS);
    let disjoint = median(&engine, threads, beside, |thread, lot| {
        lot % (KEYS / threads) * threads + thread
    });
    let one_hot = median(&engine, 1, beside, |_, _| 7);
    let hot = median(&engine, threads, beside, |_, _| 7);
    // Thread 0 reads at random, all others the hot key; thread 0 alone is timed.
    let aside = median_of_first(&engine, threads, beside);
    println!("reads of 1 KiB, {beside} rounds of arithmetic beside each");
    print("1 thread, at random", one, one);
    print(&format!("{threads} threads, disjoint"), disjoint, one);
    print("1 thread, one key", one_hot, one_hot);
    print(&format!("{threads} threads, the same key"), hot, one_hot);
    print("1 thread at random, others on one key", aside, one);
}

/// What a phase came to.
#[derive(Clone, Copy)]
struct Seen {
    reads_per_second: f64,
    cpu_ns_per_read: f64,
}

fn print(name: &str, seen: Seen, base: Seen) {
    println!(
        "  {name:40} {:7.2} M/s  x {:.2}  {:6.0} ns of CPU a read",
        seen.reads_per_second / 1e6,
        seen.reads_per_second / base.reads_per_second,
        seen.cpu_ns_per_read
    );
}

fn median(
    engine: &Engine,
    threads: u64,
    beside: u64,
    key: impl Fn(u64, u64) -> u64 + Sync,
) -> Seen {
    middle(|| seen(&run(engine, threads, beside, &key)))
}

fn median_of_first(engine: &Engine, threads: u64, beside: u64) -> Seen {
    let key = |thread: u64, lot: u64| if thread == 0 { lot % KEYS } else { 7 };
    middle(|| seen(&run(engine, threads, beside, &key)[..1]))
}

fn seen(times: &[(Duration, Duration)]) -> Seen {
    let reads = times.len() as f64 * READS as f64;
    let slowest = times.iter().map(|(wall, _)| *wall).max().expect("a thread");
    let cpu: Duration = times.iter().map(|(_, cpu)| *cpu).sum();
    Seen {
        reads_per_second: reads / slowest.as_secs_f64(),
        cpu_ns_per_read: cpu.as_nanos() as f64 / reads,
    }
}

/// The median of both, each for itself.
fn middle(mut measure: impl FnMut() -> Seen) -> Seen {
    let found: Vec<Seen> = (0..ROUNDS).map(|_| measure()).collect();
    let median = |of: fn(&Seen) -> f64| {
        let mut all: Vec<f64> = found.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    };
    Seen {
        reads_per_second: median(|seen| seen.reads_per_second),
        cpu_ns_per_read: median(|seen| seen.cpu_ns_per_read),
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn run(
    engine: &Engine,
    threads: u64,
    beside: u64,
    key: &(impl Fn(u64, u64) -> u64 + Sync),
) -> Vec<(Duration, Duration)> {
    let barrier = Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut out = Vec::with_capacity(1024);
                    let mut lot = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
                    barrier.wait();
                    let (start, start_cpu) = (Instant::now(), thread_cpu());
                    for _ in 0..READS {
                        lot ^= lot << 13;
                        lot ^= lot >> 7;
                        lot ^= lot << 17;
                        let key = key(thread, lot >> 8);
                        let partition = (key % PARTITIONS) as u32;
                        out.clear();
                        let found = engine.get(partition, &key.to_le_bytes(), Now(1), |entry| {
                            out.extend_from_slice(entry.value);
                        });
                        assert_eq!(found, Ok(Some(())));
                        let mut sum = lot;
                        for _ in 0..beside {
                            sum = black_box(sum.wrapping_mul(3));
                        }
                    }
                    (start.elapsed(), thread_cpu() - start_cpu)
                })
            })
            .collect();
        let times = running.into_iter().map(|thread| thread.join());
        times
            .map(|time| time.expect("a thread that ends"))
            .collect()
    })
}

fn filled() -> Engine {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS as u32,
        maxmemory_bytes: 1 << 30,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 1024,
        value_bytes_max: 1 << 20,
        hash_seed: 0x5EED,
    });
    for partition in 0..PARTITIONS as u32 {
        engine.open(partition, 1).expect("a closed partition");
    }
    for key in 0..KEYS {
        let write = Write {
            value: &[7; 1024],
            ttl_ms: 0,
            absent: false,
            condition: None,
            ..Write::default()
        };
        engine
            .set((key % PARTITIONS) as u32, &key.to_le_bytes(), write, Now(1))
            .expect("room");
    }
    engine
}
