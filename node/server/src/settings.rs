//! What a data plane is made with, and every bound that it keeps.

use std::fmt;
use std::time::Duration;

use shoal_engine::{Eviction, KEY_BYTES_LIMIT, VALUE_BYTES_LIMIT};
use shoal_http2::Limits as Http2Limits;

use crate::slot::SLOTS;
use crate::tls::TlsFiles;

/// Settings of one node's data plane, fixed for its lifetime.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node, as the topology names it.
    pub node_id: String,
    /// HOST:PORT; port 0 takes a free one.
    pub listen: String,
    /// Partitions of the cluster: a power of two, at most 16384.
    pub partition_count: u32,
    /// What the engine may use.
    pub maxmemory_bytes: usize,
    /// The longest value.
    pub value_bytes_max: usize,
    /// The longest key.
    pub key_bytes_max: usize,
    /// What to drop when memory is full.
    pub eviction: Eviction,
    /// Keys the engine's table hash: random, secret, new at every start.
    pub hash_seed: u64,
    /// The bounds.
    pub limits: Limits,
    /// TLS of the listener and towards other nodes; `None`: plain text.
    pub tls: Option<TlsFiles>,
}

/// Bounds, and what happens at each.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections. One more is closed as soon as it is accepted.
    pub connections_max: usize,
    /// Those of HTTP/2 on one connection.
    pub http2: Http2Limits,
    /// Bytes of requests that one connection has begun and not finished. Beyond:
    /// `TOO_MANY_REQUESTS`.
    pub requests_bytes_max: usize,
    /// Bytes of answers that one connection's client does not let through. Beyond: its
    /// requests wait.
    pub answers_bytes_max: usize,
    /// Both of all connections. Beyond: as above.
    pub held_bytes_max: usize,
    /// Bytes of one request message. Beyond: an error.
    pub message_bytes_max: usize,
    /// Bytes of one batch's answer. Keys beyond fail one by one.
    pub response_bytes_max: usize,
    /// Keys or operations of one request. Beyond: `BATCH_TOO_LARGE`.
    pub batch_max: usize,
    /// The longest time to live. Beyond: `OVERFLOW`.
    pub ttl_ms_max: i64,
    /// Requests that wait for a partition to move or to find an owner. Beyond:
    /// answered at once.
    pub parked_max: usize,
    /// How long a request waits for a frozen partition. Beyond: `PARTITION_MOVING`.
    pub frozen_wait: Duration,
    /// How long a request waits for a partition to have an owner. Beyond: `NO_OWNER`.
    pub owner_wait: Duration,
    /// How long an answer waits for the copies that must have a write. Beyond:
    /// `NOT_REPLICATED`.
    pub in_sync_wait: Duration,
    /// How long a read waits for this copy to come as far as it asks. Beyond: it goes to
    /// the primary.
    pub at_least_wait: Duration,
    /// Keys that are being loaded, of one partition. Beyond: `TOO_MANY_REQUESTS`.
    pub fill_partition_leases_max: usize,
    /// The same, of all partitions.
    pub fill_leases_max: usize,
    /// Callers that wait for another's load. Beyond: `TOO_MANY_REQUESTS`.
    pub fill_waiters_max: usize,
    /// How long one may load that does not say.
    pub fill_lease_default: Duration,
    /// The longest that one may load. Beyond: `OVERFLOW`.
    pub fill_lease_max: Duration,
    /// The longest that one may wait for that. Beyond: `OVERFLOW`.
    pub fill_wait_max: Duration,
    /// For how long a caller may answer a hot key from its own memory. 0: not at all.
    pub near_grant: Duration,
    /// Keys of one partition that are granted so. Beyond: no further one is.
    pub near_grants_partition_max: usize,
    /// The same, of all partitions.
    pub near_grants_max: usize,
    /// Updates between the newest and what the slowest watcher of invalidations has taken.
    /// Beyond: its stream ends with `TOO_MANY_REQUESTS`.
    pub invalidations_behind_max: usize,
    /// Streams on which others follow this node. Beyond: `TOO_MANY_REQUESTS`.
    pub followers_max: usize,
    /// Bytes of one message to a follower, as a rule.
    pub follow_bytes: usize,
    /// Pauses between attempts to reach a primary that is followed: at first, and at most.
    pub follow_pause_min: Duration,
    /// See above.
    pub follow_pause_max: Duration,
    /// Requests on their way to other nodes. Beyond: `TOO_MANY_REQUESTS`.
    pub forwards_max: usize,
    /// Wrong-owner answers that a forwarded request follows.
    pub hops_max: u32,
    /// Time to reach another node.
    pub connect_timeout: Duration,
    /// The deadline of a request that came without one.
    pub default_deadline: Duration,
    /// `WatchTopology` streams, and as many `WatchInvalidations`. Beyond:
    /// `TOO_MANY_REQUESTS`.
    pub watchers_max: usize,
    /// A connection must bring its first request within this time.
    pub handshake_timeout: Duration,
    /// A connection without a request for so long is asked to go.
    pub idle_timeout: Duration,
    /// Pings to clients, and how long their answer may take.
    pub keepalive_interval: Duration,
    /// See above.
    pub keepalive_timeout: Duration,
    /// As above, to other nodes: a dead one must be noticed sooner.
    pub peer_keepalive_interval: Duration,
    /// See above.
    pub peer_keepalive_timeout: Duration,
    /// A request's message must come whole within this time. Beyond: an error, looked
    /// for when something comes, and with each keepalive.
    pub body_timeout: Duration,
    /// A connection that takes nothing of what waits for it for so long is closed.
    pub stall_timeout: Duration,
}

/// Of maxmemory, what messages under way may take on all connections together.
const HELD_PART: usize = 16;
/// But not less than this: one message of the longest kind and an answer to it,
const HELD_BYTES_MIN: usize = 24 << 20;
/// and not more.
const HELD_BYTES_MAX: usize = 256 << 20;
/// Of maxmemory, what keys that are being loaded may take, and callers that wait for that,
/// each with its request,
const FILLS_PART: usize = 16;
/// at so many bytes each.
const FILL_BYTES: usize = 2 << 10;
/// But not fewer than these,
const FILL_LEASES_MIN: usize = 1024;
/// and those.
const FILL_WAITERS_MIN: usize = 16_384;
/// Of maxmemory, what the answer to one batch may take,
const RESPONSE_PART: usize = 64;
/// but not less than this.
const RESPONSE_BYTES_MIN: usize = 4 << 20;

impl Limits {
    /// Those of a node whose whole process must keep within so many bytes.
    #[must_use]
    pub fn within(maxmemory_bytes: usize) -> Limits {
        let all = Limits::default();
        let held = (maxmemory_bytes / HELD_PART).clamp(HELD_BYTES_MIN, HELD_BYTES_MAX);
        let fills = maxmemory_bytes / FILLS_PART / FILL_BYTES;
        let response = (maxmemory_bytes / RESPONSE_PART).max(RESPONSE_BYTES_MIN);
        Limits {
            held_bytes_max: held,
            requests_bytes_max: all.requests_bytes_max.min(held),
            response_bytes_max: all.response_bytes_max.min(response),
            fill_leases_max: all.fill_leases_max.min(fills.max(FILL_LEASES_MIN)),
            fill_waiters_max: all.fill_waiters_max.min(fills.max(FILL_WAITERS_MIN)),
            ..all
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 10_000,
            http2: Http2Limits::default(),
            requests_bytes_max: 32 * 1024 * 1024,
            answers_bytes_max: 4 * 1024 * 1024,
            held_bytes_max: 256 * 1024 * 1024,
            message_bytes_max: 16 * 1024 * 1024,
            response_bytes_max: 32 * 1024 * 1024,
            batch_max: 10_000,
            ttl_ms_max: 100 * 366 * 24 * 3_600_000,
            parked_max: 10_000,
            frozen_wait: Duration::from_secs(2),
            owner_wait: Duration::from_millis(200),
            in_sync_wait: Duration::from_secs(10),
            at_least_wait: Duration::from_millis(50),
            fill_partition_leases_max: 4096,
            fill_leases_max: 65_536,
            fill_waiters_max: 65_536,
            fill_lease_default: Duration::from_secs(10),
            fill_lease_max: Duration::from_secs(600),
            fill_wait_max: Duration::from_secs(600),
            near_grant: Duration::from_secs(1),
            near_grants_partition_max: 1024,
            near_grants_max: 4096,
            invalidations_behind_max: 4096,
            followers_max: 1024,
            follow_bytes: 32 * 1024,
            follow_pause_min: Duration::from_millis(20),
            follow_pause_max: Duration::from_secs(1),
            forwards_max: 10_000,
            hops_max: 3,
            connect_timeout: Duration::from_secs(1),
            default_deadline: Duration::from_secs(5),
            watchers_max: 10_000,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            peer_keepalive_interval: Duration::from_secs(3),
            peer_keepalive_timeout: Duration::from_secs(3),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// A setting cannot be used, and what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting(pub String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSetting {}

#[cfg(any(test, feature = "fuzzing"))]
impl Settings {
    /// Of a small node with one partition, for tests of its parts.
    pub(crate) fn small() -> Settings {
        Settings {
            node_id: "a".into(),
            listen: String::new(),
            partition_count: 1,
            maxmemory_bytes: 1 << 24,
            value_bytes_max: 1024,
            key_bytes_max: 64,
            eviction: Eviction::S3Fifo,
            hash_seed: 1,
            limits: Limits::default(),
            tls: None,
        }
    }
}

impl Settings {
    /// Look at the settings together.
    ///
    /// # Errors
    /// [`BadSetting`] with a sentence that says what to change.
    pub fn check(&self) -> Result<(), BadSetting> {
        let refuse = |sentence: String| Err(BadSetting(sentence));
        if !self.partition_count.is_power_of_two() || self.partition_count > SLOTS {
            return refuse(format!(
                "partition_count is {}: take a power of two, at most {SLOTS}",
                self.partition_count
            ));
        }
        if self.node_id.is_empty() {
            return refuse("node_id is empty: name the node".into());
        }
        let message_max = self.limits.message_bytes_max;
        if self.key_bytes_max == 0 || self.key_bytes_max > KEY_BYTES_LIMIT {
            return refuse(format!(
                "key_bytes_max is {}: take 1 to {KEY_BYTES_LIMIT}",
                self.key_bytes_max
            ));
        }
        if self.value_bytes_max > VALUE_BYTES_LIMIT {
            return refuse(format!(
                "value_bytes_max is {}: take at most {VALUE_BYTES_LIMIT}",
                self.value_bytes_max
            ));
        }
        if self.value_bytes_max + self.key_bytes_max + 1024 > message_max {
            return refuse(format!(
                "value_bytes_max is {}: a message holds {message_max} bytes, so take at most {}",
                self.value_bytes_max,
                message_max.saturating_sub(self.key_bytes_max + 1024)
            ));
        }
        Ok(())
    }
}
