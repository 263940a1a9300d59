//! Nodes and the streams between them. A stream is two short queues; whoever drives the
//! world says which end moves when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use crate::history::At;
use shoal_engine::{Engine, Eviction, Now, Position, Role, SetOutcome, Settings, Write};
use shoal_protos::replication::v1::{FollowRequest, FollowResponse};
use shoal_replication::{BUDGET_BYTES, Bounds, Copy, Hub, Next, Sink, Source};

pub(crate) const PARTITIONS: u32 = 2;

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) hub: Arc<Hub>,
    /// By peer.
    sinks: BTreeMap<usize, Sink>,
}

/// A stream from a follower to its primary.
pub(crate) struct Link {
    pub(crate) source: Source,
    pub(crate) up: VecDeque<FollowRequest>,
    pub(crate) down: VecDeque<FollowResponse>,
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    /// By follower, then primary.
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    pub(crate) now: u64,
    pub(crate) budget_bytes: usize,
    pub(crate) log_bytes: usize,
    /// Counts, so that no id comes twice.
    copy_ids: Arc<AtomicU64>,
}

/// What one end of a stream can do.
pub(crate) const ENDS: [End; 4] = [
    End::SinkSends,
    End::SourceReceives,
    End::SourceSends,
    End::SinkReceives,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    SinkSends,
    SourceReceives,
    SourceSends,
    SinkReceives,
}

pub(crate) fn name(node: usize) -> String {
    ["a", "b", "c", "d"][node].into()
}

impl Node {
    fn new(log_bytes: usize) -> Node {
        let engine = Engine::new(Settings {
            partition_count: PARTITIONS,
            maxmemory_bytes: 64 << 20,
            eviction: Eviction::None,
            key_bytes_max: 64,
            value_bytes_max: 1 << 20,
            hash_seed: 7,
        });
        engine.limit_log(log_bytes);
        Node {
            engine,
            hub: Arc::new(Hub::new(PARTITIONS, Bounds::default())),
            sinks: BTreeMap::new(),
        }
    }

    pub(crate) fn role(&self, partition: u32) -> Option<Role> {
        self.engine.role(partition)
    }

    pub(crate) fn position(&self, partition: u32) -> Position {
        self.engine.position(partition).unwrap_or_default()
    }
}

impl World {
    pub(crate) fn new(nodes: usize) -> World {
        World {
            nodes: (0..nodes).map(|_| Node::new(0)).collect(),
            links: BTreeMap::new(),
            now: 1_000,
            budget_bytes: BUDGET_BYTES,
            log_bytes: 0,
            copy_ids: Arc::default(),
        }
    }

    pub(crate) fn limit_log(&mut self, bytes: usize) {
        self.log_bytes = bytes;
        for node in &self.nodes {
            node.engine.limit_log(bytes);
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now(self.now)
    }

    pub(crate) fn new_copy_id(&mut self) -> String {
        format!("{}-0", self.copy_ids.fetch_add(1, Relaxed))
    }

    /// What this node's copy is called now.
    pub(crate) fn copy(&self, node: usize, partition: u32) -> Option<Copy> {
        let copy_id = self.nodes[node].hub.copy_id(partition)?;
        Some(Copy::new(&name(node), &copy_id))
    }

    /// The node loses its memory, and every stream.
    pub(crate) fn wipe(&mut self, node: usize) {
        self.links
            .retain(|&(follower, primary), _| follower != node && primary != node);
        self.nodes[node] = Node::new(self.log_bytes);
    }

    pub(crate) fn open(&mut self, node: usize, partition: u32, epoch: u64) {
        let copy_id = self.new_copy_id();
        let Node { engine, hub, .. } = &self.nodes[node];
        hub.open(engine, partition, epoch, &copy_id).unwrap();
    }

    /// The node follows that peer, through a stream that is made if there is none.
    pub(crate) fn follow(&mut self, node: usize, primary: usize, partition: u32, epoch: u64) {
        let copy_id = self.new_copy_id();
        self.let_go(node, partition, Some(primary));
        let it = &mut self.nodes[node];
        it.hub.follow(&it.engine, partition, &copy_id);
        let hub = it.hub.clone();
        let sink = it.sinks.entry(primary).or_insert_with(|| {
            let drawn = self.copy_ids.clone();
            let draw = move |old: &str| {
                let stem = old.split('-').next().unwrap_or_default();
                format!("{stem}-{}", drawn.fetch_add(1, Relaxed))
            };
            Sink::new(hub, &name(node), "test", Box::new(draw))
        });
        sink.follow(partition, epoch);
        if !self.links.contains_key(&(node, primary)) {
            self.connect(node, primary);
        }
    }

    /// No sink but that of this peer has anything to do with the partition.
    pub(crate) fn let_go(&mut self, node: usize, partition: u32, but: Option<usize>) {
        for (peer, sink) in &mut self.nodes[node].sinks {
            if Some(*peer) != but {
                sink.unfollow(partition);
            }
        }
    }

    pub(crate) fn promote(&mut self, node: usize, partition: u32, epoch: u64) -> Position {
        self.let_go(node, partition, None);
        let Node { engine, hub, .. } = &self.nodes[node];
        hub.promote(engine, partition, epoch).unwrap()
    }

    /// A fresh stream; what was on its way in the old one is lost.
    pub(crate) fn connect(&mut self, follower: usize, primary: usize) {
        let Some(sink) = self.nodes[follower].sinks.get_mut(&primary) else {
            return;
        };
        sink.connected();
        let link = Link {
            source: Source::new(self.nodes[primary].hub.clone(), "test"),
            up: VecDeque::new(),
            down: VecDeque::new(),
        };
        self.links.insert((follower, primary), link);
    }

    pub(crate) fn cut(&mut self, follower: usize, primary: usize) {
        self.links.remove(&(follower, primary));
    }

    /// Lets one end of a stream do what it can. Returns whether it did anything, or when
    /// it will.
    pub(crate) fn step(&mut self, key: (usize, usize), end: End) -> Result<bool, u64> {
        let now = self.now();
        let Some(link) = self.links.get_mut(&key) else {
            return Ok(false);
        };
        let [follower, primary] = self.nodes.get_disjoint_mut([key.0, key.1]).unwrap();
        let Some(sink) = follower.sinks.get_mut(&key.1) else {
            return Ok(false);
        };
        match end {
            End::SinkSends if link.up.len() < 3 => match sink.next(&follower.engine, now) {
                Next::Send(message) => link.up.push_back(message),
                Next::Later(at) => return Err(at),
                Next::Idle => return Ok(false),
            },
            End::SourceReceives if !link.up.is_empty() => {
                let message = link.up.pop_front().unwrap();
                link.source.receive(&primary.engine, message, now).unwrap();
            }
            End::SourceSends if link.down.len() < 2 => {
                let budget = self.budget_bytes;
                match link
                    .source
                    .next(&primary.engine, now, budget, Waker::noop())
                {
                    Next::Send(message) => link.down.push_back(message),
                    Next::Later(at) => return Err(at),
                    Next::Idle => return Ok(false),
                }
            }
            End::SinkReceives if !link.down.is_empty() => {
                let message = link.down.pop_front().unwrap();
                sink.receive(&follower.engine, message, now);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Everything moves until nothing does, and nothing is due within the time given.
    pub(crate) fn settle_for(&mut self, for_ms: u64) {
        let until = self.now + for_ms;
        for _ in 0..50_000 {
            let mut has_moved = false;
            let mut later = u64::MAX;
            let keys: Vec<_> = self.links.keys().copied().collect();
            for key in keys {
                for end in ENDS {
                    match self.step(key, end) {
                        Ok(moved) => has_moved |= moved,
                        Err(at) => later = later.min(at),
                    }
                }
            }
            if has_moved {
                continue;
            }
            if later > until {
                return;
            }
            self.now = self.now.max(later);
        }
        panic!("the streams never come to rest");
    }

    /// As [`World::settle_for`], and the time is over.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        self.settle_for(ms);
        self.now = until;
    }

    pub(crate) fn settle(&mut self) {
        self.settle_for(900);
    }

    /// Writes as the primary; None deletes. Returns the sequence.
    pub(crate) fn write(
        &mut self,
        node: usize,
        partition: u32,
        key: &str,
        value: Option<&[u8]>,
    ) -> u64 {
        let now = self.now();
        let Node { engine, hub, .. } = &self.nodes[node];
        let seq = match value {
            Some(value) => {
                let write = Write {
                    value,
                    ttl_ms: 0,
                    absent: false,
                    condition: None,
                    ..Write::default()
                };
                match engine.set(partition, key.as_bytes(), write, now).unwrap() {
                    SetOutcome::Applied(version) => version.seq,
                    SetOutcome::NotApplied(_) => unreachable!("it has no condition"),
                }
            }
            None => {
                let deleted = engine.delete(partition, key.as_bytes(), now).unwrap();
                deleted.version.seq
            }
        };
        hub.written(partition);
        seq
    }

    /// Value and version of a key, as this copy has it.
    pub(crate) fn read(&self, node: usize, partition: u32, key: &str) -> Option<(Vec<u8>, u64)> {
        let engine = &self.nodes[node].engine;
        let read = engine.get(partition, key.as_bytes(), self.now(), |entry| {
            (entry.value.to_vec(), entry.version.seq)
        });
        read.unwrap_or(None)
    }

    /// Value, and place in the order of writes, of a key, as this copy has it.
    pub(crate) fn find(&self, node: usize, partition: u32, key: &str) -> Option<(Vec<u8>, At)> {
        let engine = &self.nodes[node].engine;
        let read = engine.get(partition, key.as_bytes(), self.now(), |entry| {
            let at = (entry.version.epoch, entry.version.seq);
            (entry.value.to_vec(), at)
        });
        read.unwrap_or(None)
    }

    /// Which copies must acknowledge.
    pub(crate) fn require(&self, node: usize, partition: u32, copies: &[Copy]) -> u64 {
        let Node { engine, hub, .. } = &self.nodes[node];
        let count = u32::try_from(copies.len()).unwrap() + 1;
        hub.require(engine, partition, copies, count).unwrap()
    }

    pub(crate) fn committed(&self, node: usize, partition: u32) -> u64 {
        self.nodes[node].hub.committed(partition)
    }
}
