//! A data plane with every partition open, or followed, and a lease that outlives any run.

use shoal_server::{DataPlane, Eviction, Limits, Settings, boottime_ns};

/// As many as a cluster has by default.
pub(crate) const PARTITIONS: u32 = 256;
const LEASE_NS: u64 = 24 * 3_600_000_000_000;

/// Make one; it serves nothing yet.
pub(crate) fn open(maxmemory_bytes: usize) -> Result<DataPlane, String> {
    let plane = closed("bench", maxmemory_bytes)?;
    for partition in 0..PARTITIONS {
        plane
            .open_partition(partition, 1, "c-1")
            .map_err(|bad| bad.to_string())?;
    }
    Ok(plane)
}

/// Make one that follows the other. Needs a tokio runtime.
pub(crate) fn follow(maxmemory_bytes: usize, address: &str) -> Result<DataPlane, String> {
    let plane = closed("follower", maxmemory_bytes)?;
    for partition in 0..PARTITIONS {
        plane
            .follow_partition(partition, "bench", address, 1, "f-1")
            .map_err(|bad| bad.to_string())?;
    }
    Ok(plane)
}

fn closed(id: &str, maxmemory_bytes: usize) -> Result<DataPlane, String> {
    let plane = DataPlane::new(Settings {
        node_id: id.into(),
        listen: "127.0.0.1:0".into(),
        partition_count: PARTITIONS,
        maxmemory_bytes,
        value_bytes_max: 1 << 20,
        key_bytes_max: 1024,
        eviction: Eviction::default(),
        hash_seed: u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        limits: Limits::default(),
        tls: None,
    })
    .map_err(|bad| bad.to_string())?;
    plane.set_lease_deadline(boottime_ns() + LEASE_NS);
    Ok(plane)
}
