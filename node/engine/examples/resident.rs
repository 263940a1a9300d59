//! Whether the process's resident memory follows the account while sizes change.
//!
//! ```text
//! cargo run --release -p shoal-engine --example resident -- [MiB] [threads]
//! ```
//!
//! Fills `MiB` (512) of memory over 256 partitions from `threads` (2) threads, again and
//! again, each phase with values of other sizes, so that each displaces what was there
//! before; prints after each phase what is resident (Linux) for each byte of the bound.
//! What stands above 1 is what the allocator cannot use again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shoal_engine::{Engine, Eviction, Now, Settings, Write};

const PARTITIONS: u32 = 256;
/// Name, smallest and largest value.
const PHASES: [(&str, usize, usize); 9] = [
    ("100 bytes", 100, 100),
    ("1 KiB", 1 << 10, 1 << 10),
    ("5 KiB", 5 << 10, 5 << 10),
    ("20 to 40 KiB", 20 << 10, 40 << 10),
    ("10 to 300 bytes", 10, 300),
    ("100 to 600 KiB", 100 << 10, 600 << 10),
    ("4 to 16 KiB", 4 << 10, 16 << 10),
    ("100 bytes", 100, 100),
    ("10 bytes to 200 KiB", 10, 200 << 10),
];

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let maxmemory = arguments.first().copied().unwrap_or(512) << 20;
    let threads = arguments.get(1).copied().unwrap_or(2);
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes: maxmemory as usize,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 1024,
        value_bytes_max: 1 << 20,
        hash_seed: 0x5EED,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).expect("a closed partition");
    }
    let base = resident_bytes();
    let number = AtomicU64::new(0);
    for (name, least, most) in PHASES {
        let written = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let value = vec![7; most];
                    while written.load(Relaxed) < maxmemory * 3 / 2 {
                        let number = number.fetch_add(1, Relaxed);
                        let lot = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                        let len = least + (lot >> 20) as usize % (most - least + 1);
                        let write = Write {
                            value: &value[..len],
                            ttl_ms: 0,
                            absent: false,
                            condition: None,
                            ..Write::default()
                        };
                        let partition = (lot >> 56) as u32;
                        engine
                            .set(partition, &number.to_le_bytes(), write, Now(1))
                            .expect("room");
                        written.fetch_add(len as u64 + 40, Relaxed);
                    }
                });
            }
        });
        let (stats, resident) = (engine.stats(), resident_bytes() - base);
        println!(
            "{name:20} counted {:.3}  holes {:.3}  resident {:.3}",
            stats.memory_bytes as f64 / maxmemory as f64,
            stats.waste_bytes as f64 / maxmemory as f64,
            resident as f64 / maxmemory as f64,
        );
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
