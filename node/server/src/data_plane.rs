//! The data plane of one node: made, told what to do, and stopped.
//!
//! This is what the agent drives through the bridge. Nothing here decides
//! anything: which partitions to serve, under which epoch and until when, is said
//! from outside.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use shoal_engine::Eviction;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::AccessTable;
use crate::clock::{Clock, SystemClock};
use crate::expiry;
use crate::fills;
use crate::forward::BadToken;
use crate::introspection::Snapshot;
use crate::memory;
use crate::near;
use crate::node::Node;
use crate::ownership::{IsClosed, State};
use crate::replication;
use crate::service::{CacheService, SERVICE};
use crate::settings::{BadSetting, Settings};
use crate::switch;
use crate::tls::{BadTls, Tls, TlsFiles};
use crate::topology::BadTopology;
use crate::transport::{self, Listener, Standard};

/// gRPC server and engine of one node. All partitions are closed at first.
pub struct DataPlane {
    pub(crate) node: Arc<Node>,
    /// Held while a partition changes its role.
    pub(crate) changing: Mutex<()>,
    listen: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    health: HealthReporter,
    server: JoinHandle<()>,
    expiry: JoinHandle<()>,
    fills: JoinHandle<()>,
    tending: JoinHandle<()>,
    near: JoinHandle<()>,
}

/// A partition that cannot be opened, frozen or closed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BadPartition {
    NoSuch { partition: u32, count: u32 },
    IsOpen { partition: u32, epoch: u64 },
    IsClosed { partition: u32 },
    NoEpoch { partition: u32 },
}

impl fmt::Display for BadPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPartition::NoSuch { partition, count } => {
                write!(
                    f,
                    "there is no partition {partition}: the cluster has {count}"
                )
            }
            BadPartition::IsOpen { partition, epoch } => {
                write!(
                    f,
                    "partition {partition} is open under epoch {epoch}: close it first"
                )
            }
            BadPartition::IsClosed { partition } => {
                write!(f, "partition {partition} is not open: open it first")
            }
            BadPartition::NoEpoch { partition } => write!(
                f,
                "partition {partition} cannot be opened under epoch 0, which means that nobody \
                 has taken it"
            ),
        }
    }
}

impl std::error::Error for BadPartition {}

/// Counters since the start, and gauges as they are now.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Stats {
    pub requests: Vec<(&'static str, u64)>,
    pub failures: Vec<(&'static str, u64)>,
    pub hits: u64,
    pub misses: u64,
    pub evicted: u64,
    pub expired: u64,
    pub memory_full: u64,
    pub forwarded: u64,
    pub moved: u64,
    pub connections: usize,
    pub entries: u64,
    pub memory_bytes: u64,
    pub maxmemory_bytes: u64,
    pub open_partitions: u32,
    pub lease_remaining_ms: u64,
}

impl Stats {
    pub(crate) fn of(node: &Node, engine: shoal_engine::Stats) -> Stats {
        Stats {
            requests: node.introspection.requests().collect(),
            failures: node.counters.failures().collect(),
            hits: engine.hits,
            misses: engine.misses,
            evicted: engine.evicted,
            expired: engine.expired,
            memory_full: engine.memory_full,
            forwarded: node.counters.forwarded_total(),
            moved: node.counters.moved_total(),
            connections: node.counters.connections.load(Ordering::Relaxed),
            entries: engine.entries,
            memory_bytes: engine.memory_bytes,
            maxmemory_bytes: engine.maxmemory_bytes,
            open_partitions: engine.open_partitions,
            lease_remaining_ms: node.fence.remaining_ms(node.clock.boottime_ns()),
        }
    }
}

impl DataPlane {
    /// Make one; it serves nothing yet.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub fn new(settings: Settings) -> Result<DataPlane, BadSetting> {
        DataPlane::with_clock(settings, Arc::new(SystemClock))
    }

    /// As [`DataPlane::new`], with another clock.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub fn with_clock(settings: Settings, clock: Arc<dyn Clock>) -> Result<DataPlane, BadSetting> {
        settings.check()?;
        let listen = settings.listen.clone();
        let tls = settings.tls.as_ref().map(Tls::new).transpose();
        let tls = tls.map_err(|error| BadSetting(error.to_string()))?;
        let node = Arc::new(Node::new(settings, tls.map(Arc::new), clock));
        Ok(DataPlane {
            node,
            changing: Mutex::new(()),
            listen,
            running: Mutex::new(None),
        })
    }

    /// Bind and serve; returns HOST:PORT as bound. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where it cannot bind, or was started before.
    pub async fn start(&self) -> io::Result<String> {
        let started = || io::Error::other("the data plane was started before: make a new one");
        if self.running.lock().is_some() || *self.node.stopping.borrow() {
            return Err(started());
        }
        let listener = Listener::bind(&self.listen).await.map_err(|error| {
            let sentence = format!("cannot listen on {}: {error}", self.listen);
            io::Error::new(error.kind(), sentence)
        })?;
        let address = listener.address()?.to_string();
        let standard = Standard::new(&self.node).await;
        let mut running = self.running.lock();
        if running.is_some() {
            return Err(started());
        }
        let health = standard.health();
        let node = self.node.clone();
        *running = Some(Running {
            health,
            server: tokio::spawn(async move {
                transport::serve(listener, node, &standard).await;
            }),
            expiry: tokio::spawn(expiry::reclaim(self.node.clone())),
            fills: tokio::spawn(fills::end_in_time(self.node.clone())),
            tending: tokio::spawn(replication::tend(self.node.clone())),
            near: tokio::spawn(near::tend(self.node.clone())),
        });
        Ok(address)
    }

    /// Keep the whole process within `maxmemory_bytes`, not the entries alone: for a
    /// process in which this node is all there is. Needs a tokio runtime; ends with the
    /// node.
    pub fn keep_process_within_maxmemory(&self) {
        memory::own_the_allocator();
        let maxmemory_bytes = usize::try_from(self.node.engine.stats().maxmemory_bytes);
        tokio::spawn(memory::keep_within_maxmemory(
            self.node.clone(),
            maxmemory_bytes.unwrap_or(usize::MAX),
        ));
    }

    /// Past this time every write and primary read is refused. 0 fences at once.
    pub fn set_lease_deadline(&self, boottime_ns: u64) {
        self.node.fence.set_deadline(boottime_ns);
    }

    /// From now on callers may do what this table allows, and nothing else. Holds for
    /// streams that are open.
    pub fn set_access(&self, table: AccessTable) {
        self.node.access.set(table);
    }

    /// What this node shows to others, where they know it by a token.
    ///
    /// # Errors
    /// [`BadToken`], and then nothing has changed.
    pub fn set_peer_token(&self, token: Option<&str>) -> Result<(), BadToken> {
        self.node.peers.set_token(token)
    }

    /// Take a serialized, complete `shoal.v1.Topology`. Returns whether it was newer.
    ///
    /// # Errors
    /// [`BadTopology`], and then nothing has changed.
    pub fn install_topology(&self, serialized: &[u8]) -> Result<bool, BadTopology> {
        let newer = self.node.topology.install(serialized)?;
        if newer {
            self.node
                .peers
                .keep_only(&self.node.topology.current().addresses);
        }
        Ok(newer)
    }

    /// Let requests for it wait until it is thawed or closed. Returns once none is
    /// between its evaluation and its answer; blocks for as long as one evaluation.
    ///
    /// # Errors
    /// Where the partition is not open, or is none.
    pub fn freeze_partition(&self, partition: u32) -> Result<(), BadPartition> {
        self.checked(partition)?;
        let frozen = self.node.ownership.freeze(partition);
        frozen.map_err(|IsClosed| BadPartition::IsClosed { partition })?;
        // Nobody is inside, and another node may serve it soon.
        let _one_at_a_time = self.changing.lock();
        if self.node.ownership.state(partition) == State::Frozen {
            self.node.near.leaves(partition);
        }
        Ok(())
    }

    /// Let requests go on. Does nothing to a partition that is not frozen.
    ///
    /// # Errors
    /// Where there is no such partition.
    pub fn thaw_partition(&self, partition: u32) -> Result<(), BadPartition> {
        self.checked(partition)?;
        let _one_at_a_time = self.changing.lock();
        let node = &self.node;
        if node.ownership.state(partition) == State::Frozen {
            node.near
                .takes(partition, node.ownership.last_epoch(partition));
        }
        node.ownership.thaw(partition);
        Ok(())
    }

    /// What the health service says of `shoal.v1.Cache`.
    pub async fn set_ready(&self, ready: bool) {
        let health = self
            .running
            .lock()
            .as_ref()
            .map(|running| running.health.clone());
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        if let Some(health) = health {
            health.set_service_status(SERVICE, status).await;
        }
    }

    /// The service, to be called without a network: benchmarks do.
    #[must_use]
    pub fn service(&self) -> CacheService {
        CacheService::new(self.node.clone())
    }

    /// What happened and how things are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.node, self.node.engine.stats())
    }

    /// All that the node knows of its own work. Takes each partition's lock for a moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.node)
    }

    /// Requests that take longer are told in the slow log.
    pub fn set_slow_threshold(&self, threshold: Duration) {
        let threshold_ns = u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX);
        self.node.introspection.set_slow_threshold_ns(threshold_ns);
    }

    /// Make this the eviction policy, now for what is opened from now on, and within
    /// moments for what is open. Needs a tokio runtime.
    pub fn set_eviction(&self, eviction: Eviction) {
        self.node.engine.set_eviction(eviction);
        tokio::spawn(switch::go_on(self.node.clone()));
    }

    /// Show this certificate, and trust this authority, from the next connection on.
    ///
    /// # Errors
    /// Where it cannot be used, or this node was made without TLS: then nothing has changed.
    pub fn set_tls(&self, files: &TlsFiles) -> Result<(), BadTls> {
        match &self.node.tls {
            Some(tls) => tls.replace(files),
            None => Err(BadTls::new(
                "this node was started without TLS: start it anew",
            )),
        }
    }

    /// Take no more connections, let running requests end within the grace, stop.
    pub async fn stop(&self, grace: Duration) {
        let running = self.running.lock().take();
        let Some(Running {
            mut health,
            mut server,
            expiry,
            fills,
            tending,
            near,
        }) = running
        else {
            return;
        };
        health
            .set_service_status(SERVICE, ServingStatus::NotServing)
            .await;
        self.node.stopping.send_replace(true);
        // Ends the streams of those who watch it.
        health.clear_service_status(SERVICE).await;
        health.clear_service_status("").await;
        if tokio::time::timeout(grace, &mut server).await.is_err() {
            server.abort();
            let _ = server.await;
        }
        expiry.abort();
        fills.abort();
        tending.abort();
        near.abort();
    }

    pub(crate) fn checked(&self, partition: u32) -> Result<(), BadPartition> {
        let count = self.node.partition_count;
        if partition < count {
            Ok(())
        } else {
            Err(BadPartition::NoSuch { partition, count })
        }
    }
}
