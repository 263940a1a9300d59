//! Measures what it costs to invalidate a tag that 100 entries carry, and one that 1,000,000
//! do, and to read entries with tags.
//!
//! ```text
//! cargo run --release -p shoal-engine --example tags
//! ```
//!
//! 256 partitions of an engine; an invalidation is one in each of them. Both kinds are
//! taken in turn, on the thread's own CPU clock, so that a busy machine counts for neither.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use shoal_engine::{Engine, Eviction, Now, Settings, TagList, Write};

const PARTITIONS: u32 = 256;
const NOW: Now = Now(1_000_000);
const FEW: u64 = 100;
const MANY: u64 = 1_000_000;
const TURNS: usize = 200;
const READS: u64 = 2_000_000;

fn main() {
    let engine = Engine::new(Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes: 4 << 30,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 1024,
        value_bytes_max: 1 << 20,
        hash_seed: 7,
    });
    for partition in 0..PARTITIONS {
        engine.open(partition, 1).expect("it was closed");
        engine.keep_log(partition, true).expect("it is open");
    }
    fill(&engine, b"few", FEW);
    fill(&engine, b"many", MANY);
    fill(&engine, b"", MANY);
    println!("reads of {MANY} entries, each with a tag, nothing invalid:");
    println!(
        "  {:?} a read; without tags {:?}",
        read(&engine, b"many"),
        read(&engine, b"")
    );
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (tag, took) in [&b"few"[..], b"many"].iter().zip(&mut took) {
            let began = thread_cpu();
            for partition in 0..PARTITIONS {
                engine
                    .invalidate_tag(partition, tag, NOW)
                    .expect("it is open");
            }
            took.push(thread_cpu() - began);
        }
    }
    let [few, many] = took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2]
    });
    println!("an invalidation in {PARTITIONS} partitions, median of {TURNS}:");
    println!("  of {FEW} entries {few:?}, of {MANY} entries {many:?}");
    println!("  ratio {:.2}", many.as_secs_f64() / few.as_secs_f64());
    println!("reads while tags are invalid:");
    println!(
        "  {:?} a read; without tags {:?}",
        read(&engine, b"many"),
        read(&engine, b"")
    );
    let before = engine.stats().entries;
    let began = thread_cpu();
    while engine.inspect().memory.tags_bytes > 0 {
        for partition in 0..PARTITIONS {
            engine.reclaim(partition, NOW, 32);
        }
    }
    let swept = before - engine.stats().entries;
    println!(
        "the sweep took {swept} entries out in {:?}",
        thread_cpu() - began
    );
}

/// Entries with this tag; without one where it is empty.
fn fill(engine: &Engine, tag: &[u8], entries: u64) {
    let tags = TagList::new((!tag.is_empty()).then_some(tag)).expect("it is one");
    let write = Write {
        value: &[7; 100],
        tags: tags.tags(),
        ..Write::default()
    };
    for number in 0..entries {
        let partition = number as u32 % PARTITIONS;
        let stored = engine.set(partition, &key(tag, number), write, NOW);
        stored.expect("there is room");
    }
}

/// What one read takes.
fn read(engine: &Engine, tag: &[u8]) -> Duration {
    let began = thread_cpu();
    for turn in 0..READS {
        let number = turn.wrapping_mul(0x9E37_79B9) % MANY;
        let partition = number as u32 % PARTITIONS;
        let read = engine.get(partition, &key(tag, number), NOW, |entry| entry.value.len());
        std::hint::black_box(read).expect("it is open");
    }
    (thread_cpu() - began) / READS as u32
}

fn key(tag: &[u8], number: u64) -> Vec<u8> {
    [tag, &number.to_le_bytes()].concat()
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
