//! What the agent says of a copy: serve it, follow another with it, promote it, see that
//! another has everything, drop it.
//!
//! The order within each is what keeps the promises: nobody is let in before the engine
//! and the hub know of the role, and everybody is sent away before they forget it.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use shoal_engine::{NotPromotable, Role};
use shoal_replication::{Copy, Hub, NotServed, PartitionStatus, Traffic};

use crate::clock::engine_now;
use crate::data_plane::{BadPartition, DataPlane};
use crate::ownership::State;
use crate::replication::bell::Bell;
use crate::replication::outbound::leader;

/// A copy that cannot be what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BadRole {
    Partition(BadPartition),
    NotServed { partition: u32 },
    NotFollowed { partition: u32 },
    Restoring { partition: u32 },
    OldEpoch { partition: u32, epoch: u64 },
    NoAddress { partition: u32 },
}

impl From<BadPartition> for BadRole {
    fn from(bad: BadPartition) -> BadRole {
        BadRole::Partition(bad)
    }
}

impl fmt::Display for BadRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRole::Partition(bad) => bad.fmt(f),
            BadRole::NotServed { partition } => write!(
                f,
                "partition {partition} is not served here: open or promote it first"
            ),
            BadRole::NotFollowed { partition } => write!(
                f,
                "partition {partition} is not followed here, so there is nothing to promote: \
                 open it empty, or follow its primary first"
            ),
            BadRole::Restoring { partition } => write!(
                f,
                "the copy of partition {partition} is not whole yet: wait for its snapshot to end"
            ),
            BadRole::OldEpoch { partition, epoch } => write!(
                f,
                "epoch {epoch} of partition {partition} is over: read the record again"
            ),
            BadRole::NoAddress { partition } => write!(
                f,
                "the address of partition {partition}'s primary is no HOST:PORT: give one, or \
                 none at all where nobody can be followed"
            ),
        }
    }
}

impl std::error::Error for BadRole {}

/// How long a drained partition's last answers may wait for the copies that are not drained.
const LAST_ANSWERS: Duration = Duration::from_millis(50);

impl DataPlane {
    /// Serve as primary under this epoch, starting empty, with a copy of this id.
    ///
    /// # Errors
    /// Where the partition is open or followed, or is none.
    pub fn open_partition(
        &self,
        partition: u32,
        epoch: u64,
        copy_id: &str,
    ) -> Result<(), BadPartition> {
        self.checked(partition)?;
        if epoch == 0 {
            return Err(BadPartition::NoEpoch { partition });
        }
        let node = &self.node;
        let _one_at_a_time = self.changing.lock();
        let hub = &node.replication.hub;
        hub.open(&node.engine, partition, epoch, copy_id)
            .map_err(|_| BadPartition::IsOpen {
                partition,
                epoch: hub.epoch(partition).unwrap_or_default(),
            })?;
        node.near.takes(partition, epoch);
        node.ownership
            .open(partition, epoch)
            .map_err(|open| BadPartition::IsOpen {
                partition,
                epoch: open.epoch,
            })
    }

    /// Be, or stay, a follower of this primary; see `data_plane_port.py`. An address that
    /// is empty: of nobody, for now. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BadRole`], and then nothing has changed.
    pub fn follow_partition(
        &self,
        partition: u32,
        primary: &str,
        address: &str,
        epoch: u64,
        copy_id: &str,
    ) -> Result<(), BadRole> {
        self.checked(partition)?;
        if epoch == 0 {
            return Err(BadPartition::NoEpoch { partition }.into());
        }
        if !address.is_empty() && address.parse::<http::uri::Authority>().is_err() {
            return Err(BadRole::NoAddress { partition });
        }
        let node = &self.node;
        let _one_at_a_time = self.changing.lock();
        let outbound = &node.replication.outbound;
        let hub = &node.replication.hub;
        let known = match node.ownership.state(partition) {
            State::Closed => 0,
            State::Open | State::Frozen => hub.epoch(partition).unwrap_or_default(),
            State::Followed => outbound.leader(partition).map_or(0, |leader| leader.epoch),
        };
        if epoch < known {
            return Err(BadRole::OldEpoch { partition, epoch });
        }
        let leader = leader(partition, primary, address, epoch);
        if node.ownership.state(partition) == State::Followed {
            if outbound.leader(partition).as_ref() != Some(&leader) {
                outbound.follow(node, leader);
                // Whoever waits for the partition looks where it is again.
                node.ownership.follow(partition);
            }
            return Ok(());
        }
        // Who waits for the partition finds its new primary: first that is known.
        node.ownership.follow(partition);
        node.near.leaves(partition);
        hub.follow(&node.engine, partition, copy_id);
        outbound.follow(node, leader);
        node.ownership.follow(partition);
        Ok(())
    }

    /// Serve what was followed, with its data.
    ///
    /// # Errors
    /// [`BadRole`], and then nothing has changed.
    pub fn promote_partition(&self, partition: u32, epoch: u64) -> Result<(), BadRole> {
        self.checked(partition)?;
        let node = &self.node;
        let _one_at_a_time = self.changing.lock();
        match node.ownership.state(partition) {
            State::Followed => {}
            State::Open | State::Frozen if node.replication.hub.epoch(partition) == Some(epoch) => {
                return Ok(());
            }
            _ => return Err(BadRole::NotFollowed { partition }),
        }
        let outbound = &node.replication.outbound;
        let before = outbound.leader(partition);
        let is_old = before.as_ref().is_some_and(|leader| leader.epoch >= epoch);
        if is_old || epoch == 0 {
            return Err(BadRole::OldEpoch { partition, epoch });
        }
        outbound.unfollow(partition);
        match node.replication.hub.promote(&node.engine, partition, epoch) {
            Ok(_) => {}
            Err(refused) => {
                if let Some(before) = before {
                    outbound.follow(node, before);
                }
                return Err(match refused {
                    NotPromotable::NotOpen => BadRole::NotFollowed { partition },
                    NotPromotable::Restoring => BadRole::Restoring { partition },
                    NotPromotable::OldEpoch => BadRole::OldEpoch { partition, epoch },
                });
            }
        }
        node.near.takes(partition, epoch);
        let opened = node.ownership.open(partition, epoch);
        debug_assert!(opened.is_ok(), "it was followed");
        Ok(())
    }

    /// Answer `IN_SYNC` writes once all these copies, (node, copy id), have them. Returns
    /// the newest sequence at that moment. `in_sync_count`: copies of the record's in-sync
    /// set, the own one counted.
    ///
    /// # Errors
    /// Where this node is not its primary.
    pub fn require_copies(
        &self,
        partition: u32,
        copies: &[(String, String)],
        in_sync_count: u32,
    ) -> Result<u64, BadRole> {
        self.checked(partition)?;
        let copies: Vec<Copy> = copies
            .iter()
            .map(|(node, copy_id)| Copy::new(node, copy_id))
            .collect();
        let hub = &self.node.replication.hub;
        hub.require(&self.node.engine, partition, &copies, in_sync_count)
            .map_err(|NotServed| BadRole::NotServed { partition })
    }

    /// After a freeze of these partitions: whether each one's copy of this id has
    /// everything, in time. Then waits a moment longer for the other copies, so that what
    /// waits for them is answered. One that this node does not serve is not drained.
    ///
    /// # Errors
    /// Where there is no such partition.
    pub async fn drain_partitions(
        &self,
        partitions: &[(u32, String)],
        timeout: Duration,
    ) -> Result<Vec<bool>, BadPartition> {
        for (partition, _) in partitions {
            self.checked(*partition)?;
        }
        let node = &self.node;
        let hub = &node.replication.hub;
        let begun = tokio::time::Instant::now();
        node.replication.hurry();
        // What is waited for only ever grows. So one after the other, all until the same
        // instant, is no longer than all at once.
        let mut heads = Vec::with_capacity(partitions.len());
        for (partition, copy_id) in partitions {
            let epoch = hub.epoch(*partition);
            let Some((epoch, head)) = epoch.zip(node.engine.position(*partition)) else {
                heads.push(None);
                continue;
            };
            let acked = Hub::wait_acked(hub, *partition, epoch, copy_id, head.seq);
            let is_acked = tokio::time::timeout_at(begun + timeout, acked).await;
            heads.push(matches!(is_acked, Ok(Ok(()))).then_some((epoch, head.seq)));
        }
        let until = (begun + timeout).min(tokio::time::Instant::now() + LAST_ANSWERS);
        for ((partition, _), drained) in partitions.iter().zip(&heads) {
            if let Some((epoch, head)) = *drained {
                let committed = Hub::wait(hub, *partition, epoch, head);
                let _ = tokio::time::timeout_at(until, committed).await;
                // What is confirmed later is not answered by this node: another may serve
                // by then.
                node.ownership.seal(*partition);
            }
        }
        Ok(heads.iter().map(Option::is_some).collect())
    }

    /// Stop serving or following, and drop the data. Does nothing to a closed partition.
    ///
    /// # Errors
    /// Where there is no such partition.
    pub fn close_partition(&self, partition: u32) -> Result<(), BadPartition> {
        self.checked(partition)?;
        let _one_at_a_time = self.changing.lock();
        let node = &self.node;
        node.ownership.close(partition);
        node.near.leaves(partition);
        node.replication.outbound.unfollow(partition);
        node.replication.hub.close(&node.engine, partition);
        Ok(())
    }

    /// Every open partition's copy, ordered by partition.
    #[must_use]
    pub fn replication(&self) -> Vec<PartitionStatus> {
        let node = &self.node;
        let now = engine_now(node.clock.boottime_ns());
        let mut told = node.replication.hub.status(&node.engine, now);
        told.iter_mut().for_each(|copy| self.name_epoch(copy));
        told
    }

    /// Those of these partitions' copies that are open, in the order asked.
    #[must_use]
    pub fn replication_of(&self, partitions: &[u32]) -> Vec<PartitionStatus> {
        let node = &self.node;
        let now = engine_now(node.clock.boottime_ns());
        let hub = &node.replication.hub;
        let mut told: Vec<_> = partitions
            .iter()
            .filter_map(|&partition| hub.status_of(&node.engine, partition, now))
            .collect();
        told.iter_mut().for_each(|copy| self.name_epoch(copy));
        told
    }

    /// A follower's is that of whom it follows.
    fn name_epoch(&self, copy: &mut PartitionStatus) {
        if copy.role != Role::Primary {
            let leader = self.node.replication.outbound.leader(copy.partition);
            copy.epoch = leader.map_or(copy.epoch, |leader| leader.epoch);
        }
    }

    /// What was sent to followers since the start.
    #[must_use]
    pub fn replication_traffic(&self) -> Traffic {
        self.node.replication.hub.traffic()
    }

    /// Rises when followers or copies change.
    #[must_use]
    pub fn replication_news(&self) -> u64 {
        self.node.replication.hub.news()
    }

    /// Takes the partitions in which there was news since they were last taken.
    #[must_use]
    pub fn take_replication_changed(&self) -> Vec<u32> {
        let hub = &self.node.replication.hub;
        hub.take_changed().into_iter().collect()
    }

    /// Where is heard that news rise: a descriptor that turns readable, to be read until it
    /// blocks. It does so once, and again after they were asked for. Open for as long as the
    /// data plane is there.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn replication_bell(&self) -> io::Result<RawFd> {
        let replication = &self.node.replication;
        if let Some(bell) = replication.bell.get() {
            return Ok(bell.heard_at());
        }
        let made = Bell::new()?;
        let bell = replication.bell.get_or_init(|| made);
        replication.hub.set_bell(bell.waker());
        Ok(bell.heard_at())
    }

    /// Refuse `IN_SYNC` writes where fewer copies are in sync.
    pub fn set_min_in_sync(&self, copies: u32) {
        self.node.replication.hub.set_min_in_sync(copies);
    }

    /// Send snapshots no faster than this, all together, and take them no faster. 0: no
    /// bound.
    pub fn set_snapshot_rate(&self, bytes_per_second: u64) {
        let hub: &Arc<Hub> = &self.node.replication.hub;
        hub.set_snapshot_rate(bytes_per_second);
        self.node.replication.outbound.wake();
    }
}
