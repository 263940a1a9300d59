//! Three nodes, their agents and a registry, driven at random: writes, reads, broken and
//! slow streams, restarts, deposed primaries that go on, promotions, handovers, changes of
//! the in-sync set. What must hold is checked as it goes.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use shoal_engine::{Position, Role};
use shoal_replication::{Copy, Hub, Wait};

use crate::agent::{Agents, Record, Reign};
use crate::history::{At, History};
use crate::random::Random;
use crate::scenarios::Outcome;
use crate::world::{End, PARTITIONS, World, name};

pub(crate) const NODES: usize = 3;
const KEYS: usize = 6;

pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) random: Random,
    pub(crate) records: Vec<Record>,
    pub(crate) agents: Agents,
    pub(crate) histories: Vec<History>,
    /// How far each copy ever came, by partition.
    reached: HashMap<(u32, Copy), u64>,
    waiting: Vec<Waiting>,
    /// The last IN_SYNC write of each key, by node: what its readers must wait for.
    in_sync_writes: BTreeMap<(usize, u32, String), At>,
    /// IN_SYNC writes that were committed, and reads that were shown.
    pub(crate) committed: usize,
    pub(crate) shown: usize,
}

/// An IN_SYNC write that is not answered.
struct Waiting {
    node: usize,
    partition: u32,
    key: String,
    at: At,
    wait: Wait,
}

pub(crate) fn key_hash(key: &str) -> u64 {
    key.bytes().map(u64::from).sum()
}

fn hold(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(what()) }
}

impl Cluster {
    pub(crate) fn new(seed: u64) -> Cluster {
        let mut random = Random::new(seed);
        let mut world = World::new(NODES);
        world.limit_log([300, 2_000, 50_000][random.below(3)]);
        world.budget_bytes = [1, 200, 4_000, 256 << 10][random.below(4)];
        let mut cluster = Cluster {
            world,
            random,
            records: Vec::new(),
            agents: Agents::default(),
            histories: (0..PARTITIONS).map(|_| History::default()).collect(),
            reached: HashMap::new(),
            waiting: Vec::new(),
            in_sync_writes: BTreeMap::new(),
            committed: 0,
            shown: 0,
        };
        for partition in 0..PARTITIONS {
            let primary = cluster.random.below(NODES);
            cluster.world.open(primary, partition, 1);
            let own = cluster.copy(primary, partition);
            let record = Record {
                epoch: 1,
                version: 1,
                primary,
                in_sync: vec![own.clone()],
            };
            let reign = Reign::new(&record, &own);
            cluster.agents.reigns.insert((primary, partition), reign);
            cluster.agents.seen.insert((primary, partition), 1);
            cluster.records.push(record);
        }
        cluster
    }

    pub(crate) fn copy(&self, node: usize, partition: u32) -> Copy {
        self.world.copy(node, partition).expect("it is open")
    }

    pub(crate) fn record(&self, partition: u32) -> &Record {
        &self.records[partition as usize]
    }

    /// Nodes that take themselves for the partition's primary.
    pub(crate) fn reigning(&self, partition: u32) -> Vec<usize> {
        let reigns = self.agents.reigns.keys();
        reigns
            .filter(|it| it.1 == partition)
            .map(|it| it.0)
            .collect()
    }

    /// One end of one stream moves.
    pub(crate) fn move_stream(&mut self, key: (usize, usize), end: End) -> bool {
        let moved = self.world.step(key, end);
        if end == End::SinkReceives {
            for partition in 0..PARTITIONS {
                self.note(key.0, partition);
            }
        }
        match moved {
            Ok(moved) => moved,
            Err(at) if at <= self.world.now => true,
            Err(_) => false,
        }
    }

    /// How far the node's copy has come.
    fn note(&mut self, node: usize, partition: u32) {
        if let Some(copy) = self.world.copy(node, partition) {
            let seq = self.world.nodes[node].position(partition).seq;
            let reached = self.reached.entry((partition, copy)).or_default();
            *reached = seq.max(*reached);
        }
    }

    pub(crate) fn write(&mut self) {
        let partition = u32::try_from(self.random.below(PARTITIONS as usize)).unwrap();
        let Some(node) = self.random.pick(&self.reigning(partition)) else {
            return;
        };
        let key = format!("k{}", self.random.below(KEYS));
        let reserved = if self.random.one_in(2) {
            let hub = self.world.nodes[node].hub.clone();
            Some(hub)
        } else {
            None
        };
        let reservation = reserved
            .as_ref()
            .map(|hub| hub.reserve(partition, key_hash(&key)).unwrap());
        let value = (!self.random.one_in(4)).then(|| {
            let mut value = self.random.next().to_le_bytes().to_vec();
            value.resize(8 + self.random.below(60), 0);
            value
        });
        let seq = self.world.write(node, partition, &key, value.as_deref());
        let at = (self.agents.reigns[&(node, partition)].epoch, seq);
        self.histories[partition as usize].wrote(&key, at, value);
        if let Some(reservation) = reservation {
            let _ = reservation.wrote(seq);
            let wait = Hub::wait(&self.world.nodes[node].hub, partition, at.0, seq);
            let mark = (node, partition, key.clone());
            self.in_sync_writes.insert(mark, at);
            self.waiting.push(Waiting {
                node,
                partition,
                key,
                at,
                wait,
            });
        }
    }

    /// A read of the primary: what it shows was committed, if it had to be.
    pub(crate) fn read(&mut self) -> Outcome {
        let partition = u32::try_from(self.random.below(PARTITIONS as usize)).unwrap();
        // A deposed primary's lease has run out.
        let node = self.record(partition).primary;
        let Some(reign) = self.agents.reigns.get(&(node, partition)) else {
            return Ok(());
        };
        let key = format!("k{}", self.random.below(KEYS));
        let it = &self.world.nodes[node];
        let found = self.world.find(node, partition, &key);
        let blocked = it.hub.blocks_read(&it.engine, partition, key_hash(&key));
        if blocked.is_some() {
            return Ok(());
        }
        self.shown += 1;
        let has_all = |at: At| {
            let mut named = reign.in_sync.iter();
            named.all(|copy| self.has_reached(partition, copy, at.1))
        };
        let mark = (node, partition, key.clone());
        if let Some(&at) = self.in_sync_writes.get(&mark)
            && at.0 == reign.epoch
        {
            hold(has_all(at), || {
                format!("{key}, written at {at:?}, is shown before it was committed")
            })?;
        }
        if let Some((_, at)) = &found
            && at.0 < reign.epoch
        {
            hold(has_all(*at), || {
                format!("{key} of an epoch before, at {at:?}, is shown before it was committed")
            })?;
        }
        Ok(())
    }

    fn has_reached(&self, partition: u32, copy: &Copy, seq: u64) -> bool {
        let reached = self.reached.get(&(partition, copy.clone()));
        reached.is_some_and(|&it| it >= seq)
    }

    /// Answers the writes that may be answered.
    pub(crate) fn answer(&mut self) -> Outcome {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut outcome = Ok(());
        waiting.retain_mut(|it| {
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut it.wait).poll(&mut context) {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => return false,
                Poll::Ready(Ok(())) => {}
            }
            let reign = &self.agents.reigns[&(it.node, it.partition)];
            let missing = reign.in_sync.iter();
            let missing = missing
                .filter(|copy| !self.has_reached(it.partition, copy, it.at.1))
                .map(ToString::to_string)
                .next();
            if let Some(copy) = missing {
                let at = it.at;
                outcome = Err(format!("{at:?} is committed, and {copy} does not have it"));
            }
            self.committed += 1;
            self.histories[it.partition as usize].commit(&it.key, it.at);
            false
        });
        self.waiting = waiting;
        outcome
    }

    /// Every copy that the record would let become primary has all that is committed.
    pub(crate) fn check(&self) -> Outcome {
        for partition in 0..PARTITIONS {
            for node in 0..NODES {
                let Some(copy) = self.world.copy(node, partition) else {
                    continue;
                };
                if self.record(partition).in_sync.contains(&copy) {
                    self.check_copy(node, partition)?;
                }
            }
        }
        Ok(())
    }

    fn check_copy(&self, node: usize, partition: u32) -> Outcome {
        let role = self.world.nodes[node].role(partition);
        hold(role != Some(Role::Restoring), || {
            format!("an in-sync copy of {partition} is being restored")
        })?;
        for key in (0..KEYS).map(|it| format!("k{it}")) {
            let found = self.world.find(node, partition, &key);
            self.histories[partition as usize]
                .check(&key, found.as_ref())
                .map_err(|what| format!("partition {partition} at {}: {what}", name(node)))?;
        }
        Ok(())
    }

    /// Everything is let run; then every node has what the primary has.
    pub(crate) fn converge(&mut self) -> Outcome {
        for node in &self.world.nodes {
            node.hub.set_snapshot_rate(0);
        }
        for _ in 0..40 {
            for partition in 0..PARTITIONS {
                let primary = self.record(partition).primary;
                for node in 0..NODES {
                    self.see(node, partition);
                    if node != primary && !self.world.links.contains_key(&(node, primary)) {
                        self.world.connect(node, primary);
                    }
                }
                self.change_in_sync(primary, partition);
            }
            self.world.settle_for(1_500);
            for node in 0..NODES {
                for partition in 0..PARTITIONS {
                    self.note(node, partition);
                }
            }
            self.answer()?;
            self.check()?;
        }
        for partition in 0..PARTITIONS {
            let primary = self.record(partition).primary;
            for node in 0..NODES {
                self.compare(partition, primary, node)?;
            }
        }
        Ok(())
    }

    fn compare(&self, partition: u32, primary: usize, node: usize) -> Outcome {
        let position = |node: usize| -> Position { self.world.nodes[node].position(partition) };
        hold(position(node).seq == position(primary).seq, || {
            format!("{} of {partition} stays behind", name(node))
        })?;
        for key in (0..KEYS).map(|it| format!("k{it}")) {
            let [here, there] = [node, primary].map(|it| self.world.find(it, partition, &key));
            hold(here == there, || {
                format!("{key} of {partition} is {here:?}, and {there:?} at the primary")
            })?;
        }
        Ok(())
    }
}
