//! Serves on loopback until its standard input ends.

use std::io::BufRead;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::plane;

/// Prints `{"address": ..., "pid": ...}` once it serves. `followed`: the address of the
/// plane that is followed; none: it serves every partition itself.
pub(crate) fn serve(
    threads: usize,
    maxmemory_bytes: usize,
    followed: Option<&str>,
) -> Result<(), String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("shoal-data")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let plane = match followed {
        None => plane::open(maxmemory_bytes)?,
        Some(address) => {
            let _in_runtime = runtime.enter();
            plane::follow(maxmemory_bytes, address)?
        }
    };
    let address = runtime
        .block_on(plane.start())
        .map_err(|error| error.to_string())?;
    println!(
        "{{\"address\": \"{address}\", \"pid\": {}}}",
        std::process::id()
    );
    for line in std::io::stdin().lock().lines() {
        line.map_err(|error| error.to_string())?;
        let stats = plane.stats();
        let copies = plane.replication();
        let applied: u64 = copies.iter().map(|copy| copy.position.seq).sum();
        println!(
            "{{\"entries\": {}, \"memory_bytes\": {}, \"expired\": {}, \"evicted\": {}, \
             \"applied\": {applied}}}",
            stats.entries, stats.memory_bytes, stats.expired, stats.evicted
        );
    }
    runtime.block_on(plane.stop(Duration::ZERO));
    Ok(())
}
