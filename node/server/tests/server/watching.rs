//! WatchTopology: everything first, then what changes, in the order of their revisions.

use std::time::Duration;

use shoal_protos::v1;
use shoal_server::{Limits, Settings};
use tokio_stream::StreamExt;
use tonic::Code::{ResourceExhausted, Unavailable};

use crate::support::{Node, PARTITIONS, Said, said, settings, topology};

fn at(revision: u64, node: &Node) -> v1::Topology {
    let owned = vec![(revision, "a"); PARTITIONS as usize];
    topology(revision, &[("a", &node.address)], &owned)
}

fn known(known_revision: u64) -> v1::WatchTopologyRequest {
    v1::WatchTopologyRequest { known_revision }
}

#[tokio::test]
async fn a_watcher_gets_the_whole_first_and_then_what_is_newer() {
    let mut node = Node::start(settings("a")).await;
    node.install(&at(5, &node));
    let mut updates = node
        .client
        .watch_topology(known(0))
        .await
        .unwrap()
        .into_inner();
    let first = updates.next().await.unwrap().unwrap().topology.unwrap();
    assert_eq!(first, at(5, &node));
    assert!(first.complete);
    let mut last = 5;
    for revision in [6, 4, 9, 9, 12] {
        let serialized = prost::Message::encode_to_vec(&at(revision, &node));
        let newer = node.plane.install_topology(&serialized).unwrap();
        assert_eq!(newer, revision > last);
        if newer {
            let update = updates.next().await.unwrap().unwrap().topology.unwrap();
            assert_eq!(update.revision, revision);
            assert_eq!(update.partitions, at(revision, &node).partitions);
            last = revision;
        }
    }
}

#[tokio::test]
async fn after_the_first_a_watcher_is_told_changes_alone() {
    let mut node = Node::start(settings("a")).await;
    let mut other = node.client.clone();
    node.install(&at(5, &node));
    let mut updates = node
        .client
        .watch_topology(known(0))
        .await
        .unwrap()
        .into_inner();
    let first = updates.next().await.unwrap().unwrap().topology.unwrap();
    assert!(first.complete);
    let mut changed = at(5, &node);
    changed.revision = 6;
    changed.partitions[3].epoch = 77;
    node.install(&changed);
    let update = updates.next().await.unwrap().unwrap().topology.unwrap();
    assert_eq!(
        (update.complete, update.revision, update.nodes.len()),
        (false, 6, 0)
    );
    assert_eq!(update.partitions, [changed.partitions[3].clone()]);
    // Whoever says to know the revision before, from wherever, is told everything first.
    let mut later = other.watch_topology(known(5)).await.unwrap().into_inner();
    let update = later.next().await.unwrap().unwrap().topology.unwrap();
    assert_eq!(update, changed);
}

#[tokio::test]
async fn a_watcher_that_knows_as_much_waits_for_more() {
    let mut node = Node::start(settings("a")).await;
    node.install(&at(5, &node));
    let mut updates = node
        .client
        .watch_topology(known(7))
        .await
        .unwrap()
        .into_inner();
    node.install(&at(6, &node));
    node.install(&at(8, &node));
    let update = updates.next().await.unwrap().unwrap().topology.unwrap();
    assert_eq!(update.revision, 8);
}

#[tokio::test]
async fn a_slow_watcher_gets_the_newest() {
    let mut node = Node::start(settings("a")).await;
    let mut updates = node
        .client
        .watch_topology(known(0))
        .await
        .unwrap()
        .into_inner();
    for revision in 1..=20_000 {
        node.install(&at(revision, &node));
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&20_000) {
        seen.push(
            updates
                .next()
                .await
                .unwrap()
                .unwrap()
                .topology
                .unwrap()
                .revision,
        );
    }
    assert!(seen.is_sorted(), "revisions only rise");
    assert!(
        seen.len() < 20_000,
        "nothing was left out for a slow watcher"
    );
}

#[tokio::test]
async fn watchers_have_a_bound() {
    let limits = Limits {
        watchers_max: 1,
        ..Limits::default()
    };
    let mut node = Node::start(Settings {
        limits,
        ..settings("a")
    })
    .await;
    node.install(&at(1, &node));
    let mut first = node
        .client
        .watch_topology(known(0))
        .await
        .unwrap()
        .into_inner();
    first.next().await.unwrap().unwrap();
    let status = node.client.watch_topology(known(0)).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(ResourceExhausted, "TOO_MANY_REQUESTS", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn watchers_are_told_that_the_node_stops() {
    let mut node = Node::start(settings("a")).await;
    let mut updates = node
        .client
        .watch_topology(known(0))
        .await
        .unwrap()
        .into_inner();
    let plane = node.plane.clone();
    let stop = tokio::spawn(async move { plane.stop(Duration::from_secs(30)).await });
    let status = updates.next().await.unwrap().unwrap_err();
    assert_eq!(said(&status), Said(Unavailable, "STOPPING", "NOT_APPLIED"));
    drop(updates);
    stop.await.unwrap();
    assert!(tokio::net::TcpStream::connect(&node.address).await.is_err());
}
