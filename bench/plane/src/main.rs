//! The data plane of a node by itself: no agent, no etcd, every partition open.
//!
//! ```text
//! shoal-plane serve THREADS MAXMEMORY_BYTES
//! shoal-plane follow THREADS MAXMEMORY_BYTES ADDRESS
//! shoal-plane cores THREADS SECONDS (disjoint|hot|apart)
//! ```
//!
//! `serve` listens on a free port of loopback and prints one JSON line with its address;
//! each line on its standard input is answered with its counters. It ends with its input.
//!
//! `follow` is the same, but follows every partition of the plane that serves at ADDRESS:
//! what replication costs the one that is followed is its CPU time with it less without.
//!
//! `cores` calls the service from so many threads, without sockets and without a loader,
//! and prints what they got done: on a machine with few cores it is the only way to give
//! every thread one of its own.
//!
//! Non-goals: anything that the agent decides. `make bench` measures a whole node; this
//! stands beside it to tell the data plane from the rest of the process.

mod cores;
mod plane;
mod serve;

const USAGE: &str = "usage: shoal-plane serve THREADS MAXMEMORY_BYTES\n       \
                     shoal-plane follow THREADS MAXMEMORY_BYTES ADDRESS\n       \
                     shoal-plane cores THREADS SECONDS (disjoint|hot|apart)";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["serve", threads, maxmemory] => match (threads.parse(), maxmemory.parse()) {
            (Ok(threads), Ok(maxmemory)) => serve::serve(threads, maxmemory, None),
            _ => Err(USAGE.into()),
        },
        ["follow", threads, maxmemory, address] => match (threads.parse(), maxmemory.parse()) {
            (Ok(threads), Ok(maxmemory)) => serve::serve(threads, maxmemory, Some(address)),
            _ => Err(USAGE.into()),
        },
        ["cores", threads, seconds, keys] => match (threads.parse(), seconds.parse()) {
            (Ok(threads), Ok(seconds)) => cores::measure(threads, seconds, keys),
            _ => Err(USAGE.into()),
        },
        _ => Err(USAGE.into()),
    };
    if let Err(sentence) = outcome {
        eprintln!("shoal-plane: {sentence}");
        std::process::exit(1);
    }
}
