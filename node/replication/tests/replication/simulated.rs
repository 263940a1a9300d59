//! Random runs of the cluster: what the agents do, and when.

use shoal_engine::Role;
use shoal_replication::Copy;

use crate::agent::Reign;
use crate::cluster::{Cluster, NODES};
use crate::scenarios::Outcome;
use crate::world::{ENDS, End, PARTITIONS, name};

const STEPS: usize = 600;

impl Cluster {
    /// The node sees the registry, and follows where it must.
    pub(crate) fn see(&mut self, node: usize, partition: u32) {
        let record = self.record(partition).clone();
        self.agents.seen.insert((node, partition), record.epoch);
        if record.primary == node {
            return;
        }
        self.agents.reigns.remove(&(node, partition));
        self.world
            .follow(node, record.primary, partition, record.epoch);
    }

    /// A primary adds a copy that has caught up, or leaves one out.
    pub(crate) fn change_in_sync(&mut self, node: usize, partition: u32) {
        let Some(mut reign) = self.agents.reigns.get(&(node, partition)).cloned() else {
            return;
        };
        let it = &self.world.nodes[node];
        let own = self.copy(node, partition);
        let mut has_lost = false;
        if let Some((copy, head)) = reign.adding.clone() {
            let acked = it.hub.acked(partition, &copy.copy_id);
            if acked.is_some_and(|acked| acked >= head) {
                let mut wanted = reign.in_sync.clone();
                wanted.push(copy);
                has_lost = !self.records[partition as usize].change(&reign, own, &wanted);
                if !has_lost {
                    reign.version += 1;
                    reign.in_sync = wanted;
                }
                reign.adding = None;
            } else if self.random.one_in(4) {
                reign.adding = None;
            }
        } else {
            let status = it.hub.status(&it.engine, self.world.now());
            let status = status.iter().find(|it| it.partition == partition).unwrap();
            let stands = |copy: &Copy| {
                let mut known = status.followers.iter();
                known.any(|it| it.copy_id == copy.copy_id && it.is_streaming && it.lag_ms < 50)
            };
            let laggard = reign.in_sync.iter().find(|it| !stands(it)).cloned();
            let ready = status.followers.iter().find(|it| {
                it.is_streaming
                    && it.lag_ms == 0
                    && !reign
                        .in_sync
                        .iter()
                        .any(|known| known.copy_id == it.copy_id)
            });
            if let Some(laggard) = laggard {
                let wanted: Vec<Copy> = reign.in_sync.clone();
                let wanted: Vec<Copy> = wanted.into_iter().filter(|it| *it != laggard).collect();
                has_lost = !self.records[partition as usize].change(&reign, own, &wanted);
                if !has_lost {
                    reign.version += 1;
                    reign.in_sync = wanted;
                }
            } else if let Some(ready) = ready {
                let copy = Copy::new(&ready.node, &ready.copy_id);
                reign.adding = Some((copy, 0));
            }
        }
        if has_lost {
            // Somebody else has changed the record: it steps down.
            self.see(node, partition);
            return;
        }
        let head = self.world.require(node, partition, &reign.required());
        if let Some((_, needed)) = &mut reign.adding
            && *needed == 0
        {
            *needed = head;
        }
        self.agents.reigns.insert((node, partition), reign);
    }

    /// The primary is gone, or cannot be seen. The furthest in-sync copy takes over; where
    /// all of them are gone, some node does, empty.
    fn take_over(&mut self, partition: u32) {
        let record = self.record(partition).clone();
        let old = record.primary;
        let standing = |cluster: &Cluster, node: usize| {
            let copy = cluster.world.copy(node, partition);
            copy.is_some_and(|it| record.in_sync.contains(&it))
        };
        let candidates = (0..NODES).filter(|&node| node != old && standing(self, node));
        let furthest = candidates.max_by_key(|&it| self.world.nodes[it].position(partition));
        if let Some(node) = furthest {
            let own = self.copy(node, partition);
            let record = &mut self.records[partition as usize];
            record.in_sync.retain(|it| *it.node != *name(old));
            (record.epoch, record.version) = (record.epoch + 1, record.version + 1);
            record.primary = node;
            self.reign(node, partition, &own);
        } else if !standing(self, old) {
            let node = self.random.below(NODES);
            self.histories[partition as usize].forget();
            self.agents.reigns.remove(&(node, partition));
            self.world.let_go(node, partition, None);
            let it = &self.world.nodes[node];
            it.hub.close(&it.engine, partition);
            self.world.open(node, partition, record.epoch + 1);
            let own = self.copy(node, partition);
            let record = &mut self.records[partition as usize];
            record.in_sync = vec![own.clone()];
            (record.epoch, record.version) = (record.epoch + 1, record.version + 1);
            record.primary = node;
            let reign = Reign::new(record, &own);
            self.agents.reigns.insert((node, partition), reign);
        }
    }

    /// A node becomes primary with what it has, as the record says.
    fn reign(&mut self, node: usize, partition: u32, own: &Copy) {
        let record = self.record(partition).clone();
        self.world.promote(node, partition, record.epoch);
        let reign = Reign::new(&record, own);
        // The call that tells which copies are required may come a little later.
        self.world.require(node, partition, &reign.required());
        self.agents.seen.insert((node, partition), record.epoch);
        self.agents.reigns.insert((node, partition), reign);
    }

    /// A primary hands over to an in-sync copy that has everything.
    fn hand_over(&mut self, partition: u32) {
        let record = self.record(partition).clone();
        let node = record.primary;
        let Some(reign) = self.agents.reigns.get(&(node, partition)).cloned() else {
            return;
        };
        let head = self.world.nodes[node].position(partition).seq;
        let hub = &self.world.nodes[node].hub;
        let drained = reign.in_sync.iter().find(|copy| {
            let acked = hub.acked(partition, &copy.copy_id);
            acked.is_some_and(|acked| acked >= head)
        });
        let Some(copy) = drained.cloned() else { return };
        let Some(target) = (0..NODES).find(|&it| name(it) == *copy.node) else {
            return;
        };
        let is_valid = record.epoch == reign.epoch && record.version == reign.version;
        if reign.adding.is_some()
            || !is_valid
            || self.world.copy(target, partition) != Some(copy.clone())
        {
            return;
        }
        let record = &mut self.records[partition as usize];
        (record.epoch, record.version) = (record.epoch + 1, record.version + 1);
        record.primary = target;
        self.see(node, partition);
        self.reign(target, partition, &copy);
    }

    fn act(&mut self) -> Outcome {
        let partition = u32::try_from(self.random.below(PARTITIONS as usize)).unwrap();
        let node = self.random.below(NODES);
        match self.random.below(1000) {
            0..450 => {
                let keys: Vec<_> = self.world.links.keys().copied().collect();
                if let Some(key) = self.random.pick(&keys) {
                    let ends = [ENDS[self.random.below(4)], ENDS[self.random.below(4)]];
                    let ends: &[End] = if self.random.one_in(2) { &ENDS } else { &ends };
                    for &end in ends {
                        self.move_stream(key, end);
                    }
                }
            }
            450..700 => self.write(),
            700..780 => self.read()?,
            780..830 => self.world.now += self.random.next() % 40,
            830..900 => {
                let primary = self.random.pick(&self.reigning(partition));
                if let Some(primary) = primary {
                    self.change_in_sync(primary, partition);
                }
            }
            900..950 => self.see(node, partition),
            950..965 => {
                let keys: Vec<_> = self.world.links.keys().copied().collect();
                if let Some(key) = self.random.pick(&keys) {
                    self.world.cut(key.0, key.1);
                }
            }
            965..980 => {
                let primary = self.record(partition).primary;
                if primary != node && !self.world.links.contains_key(&(node, primary)) {
                    self.world.connect(node, primary);
                }
            }
            980..987 => self.hand_over(partition),
            987..994 => self.take_over(partition),
            994..997 => {
                let rate = [0, 2_000, 100_000][self.random.below(3)];
                self.world.nodes[node].hub.set_snapshot_rate(rate);
            }
            _ => {
                self.world.wipe(node);
                self.agents.reigns.retain(|it, _| it.0 != node);
                for partition in 0..PARTITIONS {
                    if self.record(partition).primary == node {
                        self.take_over(partition);
                    }
                }
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Outcome {
        for _ in 0..STEPS {
            self.act()?;
            self.answer()?;
            self.check()?;
            for node in &self.world.nodes {
                node.hub.tend(&node.engine, self.world.now());
            }
        }
        for partition in 0..PARTITIONS {
            let primary = self.record(partition).primary;
            if self.world.nodes[primary].role(partition) != Some(Role::Primary) {
                self.take_over(partition);
            }
        }
        self.converge()
    }
}

/// One run; what went wrong in it.
pub(crate) fn run(seed: u64) -> Outcome {
    Cluster::new(seed).run()
}

#[test]
fn whatever_happens_nothing_committed_is_lost_and_copies_converge() {
    let first: u64 = std::env::var("SHOAL_SEED").map_or(0, |it| it.parse().unwrap());
    let runs: u64 = std::env::var("SHOAL_RUNS").map_or(100, |it| it.parse().unwrap());
    let (mut committed, mut shown, mut snapshots, mut epochs) = (0, 0, 0, 0);
    for seed in first..first + runs {
        let mut cluster = Cluster::new(seed);
        if let Err(what) = cluster.run() {
            panic!("seed {seed}: {what}");
        }
        committed += cluster.committed;
        shown += cluster.shown;
        for node in &cluster.world.nodes {
            snapshots += node.hub.traffic().snapshots_done;
        }
        epochs += cluster.records.iter().map(|it| it.epoch - 1).sum::<u64>();
    }
    println!(
        "{runs} runs: {committed} writes committed, {shown} reads shown, {snapshots} snapshots, \
         {epochs} changes of primary"
    );
    assert!(committed > 0 && shown > 0 && snapshots > 0 && epochs > 0);
}
