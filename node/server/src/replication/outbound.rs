//! The primaries that this node follows, and what it follows there.
//!
//! One [`Peer`] an address, with one task, as long as something is followed there.
//!
//! Lock order: the table, then a peer's sink.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::node::Node;
use crate::replication::peer::{self, Peer};
use crate::topology::{self, Owner};

/// See the module.
#[derive(Default)]
pub(crate) struct Outbound {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By address.
    peers: HashMap<String, Arc<Peer>>,
    /// Partitions that are followed. An address that is empty: nobody can be followed.
    leaders: HashMap<u32, Owner>,
}

impl Outbound {
    /// Who is followed for the partition, as far as it is followed.
    pub(crate) fn leader(&self, partition: u32) -> Option<Owner> {
        self.table.lock().leaders.get(&partition).cloned()
    }

    /// Whether who is followed for the partition has said that it does not serve it.
    pub(crate) fn is_given_up(&self, partition: u32) -> bool {
        let table = self.table.lock();
        let leader = table.leaders.get(&partition);
        leader
            .and_then(|leader| table.peers.get(&leader.node.address))
            .is_some_and(|peer| peer.has_given_up(partition))
    }

    /// How many partitions are followed, or would be if somebody were there.
    pub(super) fn followed_count(&self) -> usize {
        self.table.lock().leaders.len()
    }

    /// Follow the partition there, and nowhere else. Needs a tokio runtime.
    pub(super) fn follow(&self, node: &Arc<Node>, leader: Owner) {
        let partition = leader.partition;
        let mut table = self.table.lock();
        let address = leader.node.address.clone();
        let epoch = leader.epoch;
        if let Some(before) = table.leaders.insert(partition, leader)
            && before.node.address != address
        {
            table.leave(&before);
        }
        if address.is_empty() {
            return;
        }
        let peer = match table.peers.get(&address) {
            Some(peer) => peer.clone(),
            None => {
                let peer = Arc::new(Peer::new(node, &address));
                table.peers.insert(address, peer.clone());
                tokio::spawn(peer::run(node.clone(), peer.clone()));
                peer
            }
        };
        peer.follow(partition, epoch);
    }

    /// Every peer looks whether it has something to say.
    pub(super) fn wake(&self) {
        self.table
            .lock()
            .peers
            .values()
            .for_each(|peer| peer.wake());
    }

    /// Follow the partition no longer.
    pub(super) fn unfollow(&self, partition: u32) {
        let mut table = self.table.lock();
        if let Some(before) = table.leaders.remove(&partition) {
            table.leave(&before);
        }
    }

    /// Whether nothing is followed there any more; then it is forgotten.
    pub(super) fn is_over(&self, peer: &Arc<Peer>) -> bool {
        let mut table = self.table.lock();
        if !peer.is_idle() {
            return false;
        }
        table.peers.retain(|_, known| !Arc::ptr_eq(known, peer));
        true
    }
}

impl Table {
    fn leave(&self, before: &Owner) {
        if let Some(peer) = self.peers.get(&before.node.address) {
            peer.unfollow(before.partition);
        }
    }
}

/// Who is followed, as the agent names it.
pub(super) fn leader(partition: u32, primary: &str, address: &str, epoch: u64) -> Owner {
    Owner {
        node: Arc::new(topology::Peer {
            id: primary.to_owned(),
            address: address.to_owned(),
        }),
        epoch,
        partition,
    }
}
