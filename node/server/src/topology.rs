//! Who owns what, as the agent last said it, and who wants to hear of changes.
//!
//! Always complete: the agent installs a whole `shoal.v1.Topology`, and an older
//! revision never replaces a newer one. Readers take no lock. Watchers are told what
//! changed, once they were told everything.

mod delta;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use shoal_protos::v1;
use tokio::sync::watch;

use crate::sync::{ArcSwap, Mutex};

/// The number of the field `topology` in `WatchTopologyResponse`.
const TOPOLOGY_TAG: u32 = 1;
const MAX_VARINT_BYTES: usize = 10;

/// A node as others reach it.
#[derive(Debug, PartialEq, Eq)]
pub struct Peer {
    /// Node id.
    pub id: String,
    /// HOST:PORT of its gRPC listener.
    pub address: String,
}

/// Who serves a partition, and since which epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The primary.
    pub node: Arc<Peer>,
    /// Of two statements about a partition, the one with the higher epoch is right.
    pub epoch: u64,
    /// The partition.
    pub partition: u32,
}

/// What the agent installed is not a topology of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BadTopology {
    Malformed,
    Incomplete,
    PartitionCount { told: u32, own: u32 },
    NoSuchPartition(u32),
}

impl fmt::Display for BadTopology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTopology::Malformed => f.write_str("these bytes are no shoal.v1.Topology"),
            BadTopology::Incomplete => f.write_str("install a complete topology, not a change"),
            BadTopology::PartitionCount { told, own } => write!(
                f,
                "the topology has {told} partitions and this node was made for {own}"
            ),
            BadTopology::NoSuchPartition(id) => {
                write!(
                    f,
                    "the topology names partition {id}, which this cluster does not have"
                )
            }
        }
    }
}

impl std::error::Error for BadTopology {}

/// One revision of the topology, ready to be looked up and to be sent.
#[derive(Debug)]
pub struct Revision {
    /// 0: nothing installed yet.
    pub number: u64,
    /// The cluster's name; empty before anything is installed.
    pub cluster: String,
    /// A serialized `WatchTopologyResponse` with everything, the same for every watcher.
    pub update: Bytes,
    /// One for those who were told the revision before this.
    pub change: Option<Change>,
    /// Addresses of all live nodes.
    pub addresses: HashSet<String>,
    owners: Vec<Option<Owner>>,
}

/// What changed since another revision.
#[derive(Debug)]
pub struct Change {
    /// That revision's number.
    pub since: u64,
    /// A serialized `WatchTopologyResponse`.
    pub update: Bytes,
}

/// The newest revision, and its watchers.
#[derive(Debug)]
pub struct Topology {
    partition_count: u32,
    current: ArcSwap<Revision>,
    newest: watch::Sender<Arc<Revision>>,
    /// Taken by `install` alone, so that two cannot overtake each other. What was
    /// installed last.
    installing: Mutex<v1::Topology>,
}

impl Topology {
    /// Nothing known: nobody owns anything.
    #[must_use]
    pub fn new(partition_count: u32) -> Topology {
        let nothing = Arc::new(Revision {
            number: 0,
            cluster: String::new(),
            update: Bytes::new(),
            change: None,
            addresses: HashSet::new(),
            owners: vec![None; partition_count as usize],
        });
        Topology {
            partition_count,
            current: ArcSwap::new(nothing.clone()),
            newest: watch::Sender::new(nothing),
            installing: Mutex::new(v1::Topology::default()),
        }
    }

    /// Take a serialized, complete topology. Returns whether it was newer.
    ///
    /// # Errors
    /// [`BadTopology`], and then nothing has changed.
    pub fn install(&self, serialized: &[u8]) -> Result<bool, BadTopology> {
        let topology = v1::Topology::decode(serialized).map_err(|_| BadTopology::Malformed)?;
        if !topology.complete {
            return Err(BadTopology::Incomplete);
        }
        if topology.partition_count != self.partition_count {
            return Err(BadTopology::PartitionCount {
                told: topology.partition_count,
                own: self.partition_count,
            });
        }
        let mut partitions = topology.partitions.iter();
        if let Some(beyond) = partitions.find(|it| it.id >= self.partition_count) {
            return Err(BadTopology::NoSuchPartition(beyond.id));
        }
        let mut last = self.installing.lock();
        if topology.revision <= last.revision {
            return Ok(false);
        }
        let revision = Arc::new(Revision::new(&topology, serialized, &last));
        *last = topology;
        self.current.store(revision.clone());
        self.newest.send_replace(revision);
        Ok(true)
    }

    /// The newest revision.
    #[must_use]
    pub fn current(&self) -> Arc<Revision> {
        self.current.load_full()
    }

    /// Who serves the partition, as far as this node knows.
    #[must_use]
    pub fn owner(&self, partition: u32) -> Option<Owner> {
        self.current
            .load()
            .owners
            .get(partition as usize)
            .cloned()
            .flatten()
    }

    /// Hear of changes from now on. A slow listener misses what was replaced, and
    /// always hears of the newest.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Revision>> {
        self.newest.subscribe()
    }
}

impl Revision {
    /// Every partition's id is below the topology's count. `serialized` is the topology
    /// as it came.
    fn new(topology: &v1::Topology, serialized: &[u8], last: &v1::Topology) -> Revision {
        let peers: HashMap<&str, Arc<Peer>> = topology
            .nodes
            .iter()
            .map(|node| {
                let peer = Peer {
                    id: node.id.clone(),
                    address: node.address.clone(),
                };
                (node.id.as_str(), Arc::new(peer))
            })
            .collect();
        let mut owners = vec![None; topology.partition_count as usize];
        for partition in &topology.partitions {
            // A primary that is no live node serves nothing.
            let primary = peers.get(partition.primary.as_str());
            owners[partition.id as usize] = primary.map(|node| Owner {
                node: node.clone(),
                epoch: partition.epoch,
                partition: partition.id,
            });
        }
        let addresses = topology
            .nodes
            .iter()
            .map(|node| node.address.clone())
            .collect();
        let update = update(serialized);
        let change = delta::delta(last, topology).map(|change| Change {
            since: last.revision,
            update: self::update(&change.encode_to_vec()),
        });
        Revision {
            number: topology.revision,
            cluster: topology.cluster.clone(),
            change: change.filter(|change| change.update.len() < update.len()),
            update,
            addresses,
            owners,
        }
    }
}

/// A serialized `WatchTopologyResponse` around a topology that is serialized already:
/// hundreds of partitions are neither copied nor written again.
fn update(topology: &[u8]) -> Bytes {
    let mut update = BytesMut::with_capacity(2 * MAX_VARINT_BYTES + topology.len());
    encode_key(TOPOLOGY_TAG, WireType::LengthDelimited, &mut update);
    encode_varint(topology.len() as u64, &mut update);
    update.put_slice(topology);
    update.freeze()
}

#[cfg(test)]
mod tests {
    use super::{BadTopology, Topology};
    use prost::Message;
    use shoal_protos::v1;

    fn topology(revision: u64, primary: &str) -> v1::Topology {
        v1::Topology {
            cluster: "default".into(),
            revision,
            complete: true,
            partition_count: 2,
            nodes: vec![v1::Node {
                id: "a".into(),
                address: "h:1".into(),
                ..Default::default()
            }],
            partitions: vec![v1::Partition {
                id: 1,
                epoch: 3,
                primary: primary.into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn an_older_revision_is_ignored() {
        let known = Topology::new(2);
        assert!(known.install(&topology(5, "a").encode_to_vec()).unwrap());
        assert!(!known.install(&topology(4, "").encode_to_vec()).unwrap());
        let owner = known.owner(1).unwrap();
        assert_eq!((owner.node.address.as_str(), owner.epoch), ("h:1", 3));
        assert_eq!(known.owner(0), None);
    }

    #[test]
    fn a_primary_that_is_gone_owns_nothing() {
        let known = Topology::new(2);
        known.install(&topology(5, "b").encode_to_vec()).unwrap();
        assert_eq!(known.owner(1), None);
    }

    #[test]
    fn a_watcher_is_told_what_was_installed_and_what_has_changed_since() {
        let known = Topology::new(2);
        let (first, second) = (topology(5, "a"), topology(6, ""));
        // In two pieces, as it may come.
        let (nodes, partitions) = (
            v1::Topology {
                partitions: vec![],
                ..first.clone()
            },
            v1::Topology {
                partitions: first.partitions.clone(),
                ..Default::default()
            },
        );
        known
            .install(&[nodes.encode_to_vec(), partitions.encode_to_vec()].concat())
            .unwrap();
        let told = |update: &[u8]| v1::WatchTopologyResponse::decode(update).unwrap().topology;
        assert_eq!(told(&known.current().update), Some(first));
        known.install(&second.encode_to_vec()).unwrap();
        let revision = known.current();
        assert_eq!(told(&revision.update), Some(second.clone()));
        let change = revision.change.as_ref().unwrap();
        assert_eq!(change.since, 5);
        let changed = told(&change.update).unwrap();
        assert_eq!(changed.partitions, second.partitions);
        assert_eq!((changed.complete, changed.nodes.len()), (false, 0));
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let known = Topology::new(2);
        let change = v1::Topology {
            complete: false,
            ..topology(5, "a")
        };
        assert_eq!(
            known.install(&change.encode_to_vec()),
            Err(BadTopology::Incomplete)
        );
        let other = v1::Topology {
            partition_count: 4,
            ..topology(5, "a")
        };
        assert_eq!(
            known.install(&other.encode_to_vec()),
            Err(BadTopology::PartitionCount { told: 4, own: 2 })
        );
        let mut beyond = topology(5, "a");
        beyond.partitions[0].id = 2;
        assert_eq!(
            known.install(&beyond.encode_to_vec()),
            Err(BadTopology::NoSuchPartition(2))
        );
        let old_and_beyond = v1::Topology {
            revision: 0,
            ..beyond
        };
        assert_eq!(
            known.install(&old_and_beyond.encode_to_vec()),
            Err(BadTopology::NoSuchPartition(2)),
            "that it is old hides no mistake"
        );
        assert_eq!(known.install(b"\xff"), Err(BadTopology::Malformed));
        assert_eq!(known.current().number, 0);
    }
}
