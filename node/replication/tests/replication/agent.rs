//! The smallest agents that keep the rules: who is primary, and which copies are in sync,
//! in a registry of one record a partition. They see it when the cluster lets them.

use std::collections::BTreeMap;

use shoal_replication::Copy;

/// What the registry says of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) primary: usize,
    pub(crate) in_sync: Vec<Copy>,
}

/// What a node that takes itself for the primary knows.
#[derive(Clone, Debug)]
pub(crate) struct Reign {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    /// Of the record, as far as it knows, without its own copy.
    pub(crate) in_sync: Vec<Copy>,
    /// A copy that it wants to add, and what it must have first.
    pub(crate) adding: Option<(Copy, u64)>,
}

/// The agents of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// By node and partition.
    pub(crate) reigns: BTreeMap<(usize, u32), Reign>,
    /// The epoch of the record that each node saw last.
    pub(crate) seen: BTreeMap<(usize, u32), u64>,
}

impl Record {
    /// A primary's change of the in-sync set; false where somebody else changed the record.
    pub(crate) fn change(&mut self, reign: &Reign, own: Copy, in_sync: &[Copy]) -> bool {
        if self.epoch != reign.epoch || self.version != reign.version {
            return false;
        }
        self.in_sync = in_sync.to_vec();
        self.in_sync.push(own);
        self.version += 1;
        true
    }
}

impl Reign {
    pub(crate) fn new(record: &Record, own: &Copy) -> Reign {
        let others = record.in_sync.iter().filter(|it| *it != own);
        Reign {
            epoch: record.epoch,
            version: record.version,
            in_sync: others.cloned().collect(),
            adding: None,
        }
    }

    /// The union of what the record names and what it may name soon.
    pub(crate) fn required(&self) -> Vec<Copy> {
        let adding = self.adding.iter().map(|(copy, _)| copy.clone());
        self.in_sync.iter().cloned().chain(adding).collect()
    }
}
