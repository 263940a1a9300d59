//! The settings that the agent gives, read from its dataclass of the same name.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use pyo3::prelude::*;
use shoal_server::{Eviction, Limits, Settings, TlsFiles};

/// Mirrors `shoal_node.data_plane.DataPlaneSettings`.
#[derive(FromPyObject)]
pub(crate) struct DataPlaneSettings {
    node_id: String,
    listen: String,
    partition_count: u32,
    maxmemory_bytes: usize,
    pub(crate) worker_threads: usize,
    value_bytes_max: usize,
    key_bytes_max: usize,
    eviction: String,
    slow_request_ms: u64,
    near_grant_ms: u64,
    pub(crate) owns_process: bool,
    tls: Option<DataPlaneTls>,
}

/// Mirrors `shoal_node.data_plane.DataPlaneTls`.
#[derive(FromPyObject)]
pub(crate) struct DataPlaneTls {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
    requires_certificate: bool,
}

impl From<DataPlaneTls> for TlsFiles {
    fn from(tls: DataPlaneTls) -> TlsFiles {
        TlsFiles {
            certificate: tls.certificate,
            key: tls.key,
            authority: tls.authority,
            requires_certificate: tls.requires_certificate,
        }
    }
}

/// The policy of this name.
pub(crate) fn eviction(name: &str) -> Result<Eviction, String> {
    Eviction::named(name)
        .ok_or_else(|| format!("there is no eviction policy {name}: take s3fifo, lru, lfu or none"))
}

impl DataPlaneSettings {
    pub(crate) fn slow_request(&self) -> Duration {
        Duration::from_millis(self.slow_request_ms)
    }

    pub(crate) fn into_settings(self) -> Result<Settings, String> {
        let mut limits = if self.owns_process {
            Limits::within(self.maxmemory_bytes)
        } else {
            Limits::default()
        };
        // A message holds at least one value of the longest kind.
        let one = self
            .value_bytes_max
            .saturating_add(self.key_bytes_max)
            .saturating_add(64 << 10);
        limits.message_bytes_max = limits.message_bytes_max.max(one);
        limits.near_grant = Duration::from_millis(self.near_grant_ms);
        Ok(Settings {
            node_id: self.node_id,
            listen: self.listen,
            partition_count: self.partition_count,
            maxmemory_bytes: self.maxmemory_bytes,
            value_bytes_max: self.value_bytes_max,
            key_bytes_max: self.key_bytes_max,
            eviction: eviction(&self.eviction)?,
            // The standard library seeds its hashers from the system's randomness.
            hash_seed: RandomState::new().hash_one(std::process::id()),
            limits,
            tls: self.tls.map(TlsFiles::from),
        })
    }
}
