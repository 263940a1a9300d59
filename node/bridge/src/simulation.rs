//! The class `SimulatedCopies`: one node's copies and streams, without server and clock.
//!
//! For `tests/simulation`: the engine and the replication that a node runs, driven step by
//! step from Python. Time is an argument, messages stay objects, and who reaches whom is
//! the caller's affair. The order of calls within an operation is that of
//! `shoal_server::replication::roles`.
//!
//! Non-goals: leases, freezing, topology.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use shoal_engine::{
    Condition, Engine, Eviction, Increment, Now, RequestId, Role, SetOutcome, Settings, Version,
    Write,
};
use shoal_protos::replication::v1::{FollowRequest, FollowResponse};
use shoal_replication::{BUDGET_BYTES, Bounds, Copy, Hub, Next, Reservation, Sink, Source};

use crate::errors::value_error;
use crate::replication;

/// The cluster that all simulated nodes belong to.
const CLUSTER: &str = "sim";
/// Messages that one call takes from an end of a stream.
const AT_ONCE: usize = 4;

/// What one end of a stream has to send, and when it has more, in ms; 0: when there is news.
type Sent = (Vec<SimulatedMessage>, u64);

enum Way {
    Up(FollowRequest),
    Down(FollowResponse),
}

/// One message of a stream between nodes.
#[pyclass(frozen, module = "shoal_node._bridge")]
pub(crate) struct SimulatedMessage(Way);

struct Inner {
    engine: Engine,
    hub: Arc<Hub>,
    node: String,
    /// By primary.
    sinks: BTreeMap<String, Sink>,
    /// By follower.
    sources: BTreeMap<String, Source>,
    /// Of the partitions that are followed: whom, and under which epoch.
    leaders: BTreeMap<u32, (String, u64)>,
    drawn: Arc<Mutex<u64>>,
    keeps_ids: bool,
}

/// One node's copies of all partitions.
#[pyclass(frozen, module = "shoal_node._bridge")]
pub(crate) struct SimulatedCopies(Mutex<Inner>);

#[pymethods]
impl SimulatedCopies {
    /// `keeps_ids`: a copy that begins anew keeps its id, which is wrong; for a test that
    /// sees that it is noticed. `log_bytes` 0: as a node chooses.
    #[new]
    #[pyo3(signature = (node, partition_count, log_bytes, *, keeps_ids=false))]
    fn new(node: &str, partition_count: u32, log_bytes: usize, keeps_ids: bool) -> SimulatedCopies {
        let engine = Engine::new(Settings {
            partition_count,
            maxmemory_bytes: 64 << 20,
            eviction: Eviction::None,
            key_bytes_max: 64,
            value_bytes_max: 1 << 16,
            hash_seed: 7,
        });
        engine.limit_log(log_bytes);
        SimulatedCopies(Mutex::new(Inner {
            engine,
            hub: Arc::new(Hub::new(partition_count, Bounds::default())),
            node: node.into(),
            sinks: BTreeMap::new(),
            sources: BTreeMap::new(),
            leaders: BTreeMap::new(),
            drawn: Arc::default(),
            keeps_ids,
        }))
    }

    // What copies shall be.

    fn open(&self, partition: u32, epoch: u64, copy_id: &str) -> PyResult<()> {
        let it = self.lock();
        it.hub
            .open(&it.engine, partition, epoch, copy_id)
            .map_err(|_| value_error(format!("partition {partition} is open already")))
    }

    /// Of nobody where `primary` is empty.
    fn follow(&self, partition: u32, primary: &str, epoch: u64, copy_id: &str) -> PyResult<()> {
        let mut it = self.lock();
        let known = match it.leaders.get(&partition) {
            Some((_, epoch)) => *epoch,
            None => it.hub.epoch(partition).unwrap_or_default(),
        };
        if epoch < known {
            return Err(value_error(format!("epoch {epoch} of {partition} is over")));
        }
        it.unfollow_but(partition, primary);
        it.hub.follow(&it.engine, partition, copy_id);
        if !primary.is_empty() {
            it.sink(primary).follow(partition, epoch);
        }
        it.leaders.insert(partition, (primary.into(), epoch));
        Ok(())
    }

    fn promote(&self, partition: u32, epoch: u64) -> PyResult<()> {
        let mut it = self.lock();
        let before = it.leaders.get(&partition).cloned();
        let Some((primary, known)) = before else {
            return Err(value_error(format!(
                "partition {partition} is not followed"
            )));
        };
        if epoch <= known {
            return Err(value_error(format!("epoch {epoch} of {partition} is over")));
        }
        it.unfollow_but(partition, "");
        if let Err(refused) = it.hub.promote(&it.engine, partition, epoch) {
            if !primary.is_empty() {
                it.sink(&primary).follow(partition, known);
            }
            return Err(value_error(format!("{partition}: {refused:?}")));
        }
        it.leaders.remove(&partition);
        Ok(())
    }

    fn close(&self, partition: u32) {
        let mut it = self.lock();
        it.unfollow_but(partition, "");
        it.leaders.remove(&partition);
        it.hub.close(&it.engine, partition);
    }

    fn require(
        &self,
        partition: u32,
        copies: Vec<(String, String)>,
        in_sync_count: u32,
    ) -> PyResult<u64> {
        let it = self.lock();
        let copies: Vec<Copy> = copies
            .iter()
            .map(|(node, id)| Copy::new(node, id))
            .collect();
        it.hub
            .require(&it.engine, partition, &copies, in_sync_count)
            .map_err(|_| value_error(format!("partition {partition} is not served here")))
    }

    fn set_min_in_sync(&self, copies: u32) {
        self.lock().hub.set_min_in_sync(copies);
    }

    // What copies are.

    /// A list of `PartitionReplication`.
    fn status<'py>(&self, py: Python<'py>, now_ms: u64) -> PyResult<Bound<'py, PyList>> {
        let it = self.lock();
        let mut told = it.hub.status(&it.engine, Now(now_ms));
        for copy in &mut told {
            if copy.role != Role::Primary {
                let leader = it.leaders.get(&copy.partition);
                copy.epoch = leader.map_or(copy.epoch, |it| it.1);
            }
        }
        replication::told(py, &told)
    }

    fn news(&self) -> u64 {
        self.lock().hub.news()
    }

    fn take_changed(&self) -> Vec<u32> {
        self.lock().hub.take_changed().into_iter().collect()
    }

    fn tend(&self, now_ms: u64) {
        let it = self.lock();
        it.hub.tend(&it.engine, Now(now_ms));
    }

    /// "primary", "follower" or "restoring"; None: closed.
    fn role(&self, partition: u32) -> Option<&'static str> {
        self.lock().engine.role(partition).map(|role| match role {
            Role::Primary => "primary",
            Role::Follower => "follower",
            Role::Restoring => "restoring",
        })
    }

    fn copy_id(&self, partition: u32) -> Option<String> {
        self.lock().hub.copy_id(partition).map(|id| (*id).into())
    }

    /// (epoch, seq) of the last operation applied.
    fn position(&self, partition: u32) -> (u64, u64) {
        let at = self.lock().engine.position(partition).unwrap_or_default();
        (at.epoch, at.seq)
    }

    /// Everything up to here is confirmed by those that are required.
    fn committed(&self, partition: u32) -> u64 {
        self.lock().hub.committed(partition)
    }

    fn acked(&self, partition: u32, copy_id: &str) -> Option<u64> {
        self.lock().hub.acked(partition, copy_id)
    }

    /// As `committed`; None while too few copies are in sync.
    fn confirmed(&self, partition: u32) -> Option<u64> {
        let it = self.lock();
        let is_enough = it.hub.has_min_in_sync(partition).is_ok();
        is_enough.then(|| it.hub.committed(partition))
    }

    // What clients do.

    /// (epoch, seq) of the write; None: its condition does not hold, or it may not begin.
    /// `version` (0, 0): only where there is no value.
    #[pyo3(signature = (partition, key, value, now_ms, *, in_sync, request=None, version=None))]
    #[allow(clippy::too_many_arguments)]
    fn set(
        &self,
        partition: u32,
        key: &[u8],
        value: &[u8],
        now_ms: u64,
        in_sync: bool,
        request: Option<&[u8]>,
        version: Option<(u64, u64)>,
    ) -> PyResult<Option<(u64, u64)>> {
        let it = self.lock();
        let Ok(reserved) = it.reserve(partition, key, in_sync) else {
            return Ok(None);
        };
        let condition = version.map(|(epoch, seq)| match seq {
            0 => Condition::IfAbsent,
            _ => Condition::IfVersion(Version { epoch, seq }),
        });
        let write = Write {
            value,
            ttl_ms: 0,
            absent: false,
            condition,
            ..Write::default()
        };
        let request = request.and_then(RequestId::new);
        let once = it
            .engine
            .set_once(partition, key, write, request, Now(now_ms))
            .map_err(|refused| value_error(format!("{refused:?}")))?;
        let SetOutcome::Applied(version) = once.outcome else {
            return Ok(None);
        };
        it.wrote(partition, reserved, version.seq);
        Ok(Some((version.epoch, version.seq)))
    }

    /// (epoch, seq) of the delete.
    #[pyo3(signature = (partition, key, now_ms, *, in_sync))]
    fn delete(
        &self,
        partition: u32,
        key: &[u8],
        now_ms: u64,
        in_sync: bool,
    ) -> PyResult<Option<(u64, u64)>> {
        let it = self.lock();
        let Ok(reserved) = it.reserve(partition, key, in_sync) else {
            return Ok(None);
        };
        let deleted = it
            .engine
            .delete(partition, key, Now(now_ms))
            .map_err(|refused| value_error(format!("{refused:?}")))?;
        it.wrote(partition, reserved, deleted.version.seq);
        Ok(Some((deleted.version.epoch, deleted.version.seq)))
    }

    /// ((epoch, seq), value, was answered before).
    #[pyo3(signature = (partition, key, now_ms, *, in_sync, request=None))]
    #[allow(clippy::type_complexity)]
    fn incr(
        &self,
        partition: u32,
        key: &[u8],
        now_ms: u64,
        in_sync: bool,
        request: Option<&[u8]>,
    ) -> PyResult<Option<((u64, u64), i64, bool)>> {
        let it = self.lock();
        let Ok(reserved) = it.reserve(partition, key, in_sync) else {
            return Ok(None);
        };
        let add = Increment {
            delta: 1,
            initial: 0,
            ttl_ms: 0,
        };
        let request = request.and_then(RequestId::new);
        let once = it
            .engine
            .incr_once(partition, key, add, request, Now(now_ms))
            .map_err(|refused| value_error(format!("{refused:?}")))?;
        let version = once.outcome.version;
        it.wrote(partition, reserved, version.seq);
        Ok(Some((
            (version.epoch, version.seq),
            once.outcome.value,
            once.repeated,
        )))
    }

    /// The value and its (epoch, seq) as this copy has it, whatever its role.
    #[allow(clippy::type_complexity)]
    fn find<'py>(
        &self,
        py: Python<'py>,
        partition: u32,
        key: &[u8],
        now_ms: u64,
    ) -> Option<(Bound<'py, PyBytes>, (u64, u64))> {
        let it = self.lock();
        let read = it.engine.get(partition, key, Now(now_ms), |entry| {
            let at = (entry.version.epoch, entry.version.seq);
            (PyBytes::new(py, entry.value), at)
        });
        read.unwrap_or(None)
    }

    /// Until which sequence a primary's read of this key waits; 0: it does not.
    fn blocks_read(&self, partition: u32, key: &[u8]) -> u64 {
        let it = self.lock();
        let until = it.hub.blocks_read(&it.engine, partition, hash(key));
        until.unwrap_or_default()
    }

    // Streams. Each end gives what it has to send and is told when the stream takes it.

    /// The peers whose streams are wanted.
    fn leads(&self) -> Vec<String> {
        let it = self.lock();
        let wanted = it.sinks.iter().filter(|(_, sink)| !sink.is_empty());
        wanted.map(|(peer, _)| peer.clone()).collect()
    }

    /// A new stream to a primary stands: its follower's end.
    fn connected(&self, primary: &str) {
        self.lock().sink(primary).connected();
    }

    /// The primary's end of a new stream.
    fn accept(&self, follower: &str) {
        let mut it = self.lock();
        // The old one ends before the new one begins.
        it.sources.remove(follower);
        let source = Source::new(it.hub.clone(), CLUSTER);
        it.sources.insert(follower.into(), source);
    }

    /// The primary's end is over.
    fn hang_up(&self, follower: &str) {
        self.lock().sources.remove(follower);
    }

    fn next_of_follower(&self, primary: &str, now_ms: u64) -> Sent {
        let mut it = self.lock();
        let Inner { engine, sinks, .. } = &mut *it;
        let Some(sink) = sinks.get_mut(primary) else {
            return (Vec::new(), 0);
        };
        gather(|| sink.next(engine, Now(now_ms)), Way::Up)
    }

    fn next_of_primary(&self, follower: &str, now_ms: u64) -> Sent {
        let mut it = self.lock();
        let Inner {
            engine, sources, ..
        } = &mut *it;
        let Some(source) = sources.get_mut(follower) else {
            return (Vec::new(), 0);
        };
        let waker = Waker::noop();
        gather(
            || source.next(engine, Now(now_ms), BUDGET_BYTES, waker),
            Way::Down,
        )
    }

    /// A message arrives from the other end of the stream with that peer.
    fn take(&self, peer: &str, message: &SimulatedMessage, now_ms: u64) -> PyResult<()> {
        let mut it = self.lock();
        let Inner {
            engine,
            sinks,
            sources,
            ..
        } = &mut *it;
        match &message.0 {
            Way::Up(message) => {
                let Some(source) = sources.get_mut(peer) else {
                    return Ok(());
                };
                source
                    .receive(engine, message.clone(), Now(now_ms))
                    .map_err(|hostile| value_error(hostile.to_string()))?;
            }
            Way::Down(message) => {
                if let Some(sink) = sinks.get_mut(peer) {
                    sink.receive(engine, message.clone(), Now(now_ms));
                }
            }
        }
        Ok(())
    }
}

impl SimulatedCopies {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn sink(&mut self, primary: &str) -> &mut Sink {
        self.sinks.entry(primary.into()).or_insert_with(|| {
            let drawn = self.drawn.clone();
            let keeps_ids = self.keeps_ids;
            let draw = move |old: &str| {
                if keeps_ids {
                    return old.into();
                }
                let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                *drawn += 1;
                let stem = old.split('-').next().unwrap_or_default();
                format!("{stem}-anew{drawn}")
            };
            Sink::new(self.hub.clone(), &self.node, CLUSTER, Box::new(draw))
        })
    }

    fn unfollow_but(&mut self, partition: u32, primary: &str) {
        for (peer, sink) in &mut self.sinks {
            if peer != primary {
                sink.unfollow(partition);
            }
        }
    }

    fn reserve(
        &self,
        partition: u32,
        key: &[u8],
        in_sync: bool,
    ) -> Result<Option<Reservation<'_>>, shoal_replication::Refusal> {
        in_sync
            .then(|| self.hub.reserve(partition, hash(key)))
            .transpose()
    }

    fn wrote(&self, partition: u32, reserved: Option<Reservation<'_>>, seq: u64) {
        self.hub.written(partition);
        if let Some(reserved) = reserved {
            let _is_committed = reserved.wrote(seq);
        }
    }
}

fn gather<M>(mut next: impl FnMut() -> Next<M>, way: impl Fn(M) -> Way) -> Sent {
    let mut sent = Vec::new();
    while sent.len() < AT_ONCE {
        match next() {
            Next::Send(message) => sent.push(SimulatedMessage(way(message))),
            Next::Later(at_ms) => return (sent, at_ms),
            Next::Idle => return (sent, 0),
        }
    }
    (sent, 1)
}

/// FNV-1a: any hash will do, and the same in every run.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
