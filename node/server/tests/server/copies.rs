//! Nodes with copies of one partition: the first serves it, the others follow.

use std::time::Duration;

use bytes::Bytes;
use shoal_protos::v1;
use shoal_server::{Limits, PartitionStatus, Role, Settings};

use crate::support::{Node, PARTITIONS, eventually, get, key_in, set, settings, topology};

/// The partition in question.
pub(crate) const P: u32 = 3;

/// Nodes a, b, c, ... whose topology says that a owns everything.
pub(crate) struct Copies {
    pub(crate) nodes: Vec<Node>,
}

pub(crate) fn patient() -> Limits {
    Limits {
        in_sync_wait: Duration::from_secs(60),
        default_deadline: Duration::from_secs(60),
        follow_pause_max: Duration::from_millis(50),
        ..Limits::default()
    }
}

impl Copies {
    pub(crate) async fn start(count: usize, limits: Limits) -> Copies {
        let mut nodes = Vec::new();
        for id in ["a", "b", "c"].into_iter().take(count) {
            let settings = Settings {
                limits: limits.clone(),
                ..settings(id)
            };
            nodes.push(Node::start(settings).await);
        }
        let copies = Copies { nodes };
        copies.install(1, 1, "a");
        let a = &copies.nodes[0];
        a.plane.open_partition(P, 1, "ia-first").unwrap();
        copies
    }

    pub(crate) fn install(&self, revision: u64, epoch: u64, primary: &str) {
        let owned = vec![(epoch, primary); PARTITIONS as usize];
        let nodes = self.nodes.iter();
        let nodes: Vec<_> = nodes
            .map(|node| (node.id.as_str(), node.address.as_str()))
            .collect();
        let topology = topology(revision, &nodes, &owned);
        for node in &self.nodes {
            node.install(&topology);
        }
    }

    /// Let a node follow another, at this address.
    pub(crate) fn follow(&self, node: usize, primary: usize, address: &str, epoch: u64) {
        let (node, primary) = (&self.nodes[node], &self.nodes[primary]);
        let copy_id = format!("i{}-first", node.id);
        node.plane
            .follow_partition(P, &primary.id, address, epoch, &copy_id)
            .unwrap();
    }

    /// Let a node follow another, and come as far.
    pub(crate) async fn catch_up(&self, node: usize, primary: usize, epoch: u64) {
        let address = self.nodes[primary].address.clone();
        self.follow(node, primary, &address, epoch);
        self.caught_up(node, primary).await;
    }

    pub(crate) async fn caught_up(&self, node: usize, primary: usize) {
        let (node, primary) = (&self.nodes[node], &self.nodes[primary]);
        eventually("the follower has everything", || {
            let copy = node.copy();
            let acked = primary.acked(&copy.copy_id);
            copy.role == Role::Follower && acked == Some(primary.copy().position.seq)
        })
        .await;
    }

    /// Let the primary wait for these, as they are now.
    pub(crate) fn require(&self, primary: usize, others: &[usize]) -> u64 {
        let copies: Vec<_> = others
            .iter()
            .map(|other| {
                let node = &self.nodes[*other];
                (node.id.clone(), node.copy().copy_id.to_string())
            })
            .collect();
        let count = copies.len() as u32 + 1;
        let plane = &self.nodes[primary].plane;
        plane.require_copies(P, &copies, count).unwrap()
    }
}

impl Node {
    /// Its copy of the partition.
    pub(crate) fn copy(&self) -> PartitionStatus {
        let told = self.plane.replication();
        told.into_iter().find(|it| it.partition == P).unwrap()
    }

    /// What the copy of this id has acknowledged to it.
    pub(crate) fn acked(&self, copy_id: &str) -> Option<u64> {
        let followers = self.copy().followers.into_iter();
        let mut same = followers.filter(|it| &*it.copy_id == copy_id && it.is_streaming);
        same.next().map(|it| it.acked_seq)
    }

    /// Which of these copies, (partition, copy id), have everything in time.
    pub(crate) async fn drained(&self, asked: &[(u32, &str)], within_ms: u64) -> Vec<bool> {
        let asked: Vec<_> = asked.iter().map(|&(p, id)| (p, id.to_owned())).collect();
        let within = Duration::from_millis(within_ms);
        self.plane.drain_partitions(&asked, within).await.unwrap()
    }

    pub(crate) async fn write(&self, n: u32, value: &'static str) -> v1::SetResponse {
        let asked = set(&key_in(P, n), value);
        self.client.clone().set(asked).await.unwrap().into_inner()
    }

    /// What this node's own copy has, if it may answer.
    pub(crate) async fn own(&self, n: u32) -> v1::GetResponse {
        let asked = any(&key_in(P, n));
        self.client.clone().get(asked).await.unwrap().into_inner()
    }
}

/// A read that any copy may answer, by itself or not at all.
pub(crate) fn any(key: &Bytes) -> v1::GetRequest {
    v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        routed: true,
        ..get(key)
    }
}

pub(crate) fn del(n: u32) -> v1::DelRequest {
    v1::DelRequest {
        keys: vec![key_in(P, n)],
        ..Default::default()
    }
}
