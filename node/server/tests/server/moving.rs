//! Partitions that freeze, thaw, close and open under requests.

use std::time::Duration;

use shoal_protos::v1;
use shoal_server::Limits;
use tonic::Code::{FailedPrecondition, Unavailable};

use crate::support::{Node, PARTITIONS, Pair, Said, eventually, get, key_in, said, set};

fn waiting_long() -> Limits {
    let long = Duration::from_secs(60);
    Limits {
        frozen_wait: long,
        owner_wait: long,
        default_deadline: long,
        ..Limits::default()
    }
}

/// Requests that this node has taken up so far.
fn taken(node: &Node, method: &str) -> u64 {
    node.plane
        .stats()
        .requests
        .iter()
        .find(|(name, _)| *name == method)
        .unwrap()
        .1
}

#[tokio::test]
async fn a_frozen_partition_answers_once_it_is_thawed() {
    let node = Node::alone_with(waiting_long()).await;
    let key = key_in(3, 0);
    node.plane.freeze_partition(3).unwrap();
    let mut client = node.client.clone();
    let asked = key.clone();
    let write = tokio::spawn(async move { client.set(set(&asked, "v")).await });
    eventually("the write has come", || taken(&node, "Set") == 1).await;
    let other = node.client.clone().set(set(&key_in(4, 0), "v")).await;
    assert!(other.is_ok(), "other partitions go on");
    assert!(!write.is_finished());
    node.plane.thaw_partition(3).unwrap();
    assert!(write.await.unwrap().unwrap().into_inner().applied);
    let hit = node
        .client
        .clone()
        .get(get(&key))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(hit.status(), v1::Status::Hit);
}

#[tokio::test]
async fn a_frozen_partition_is_waited_for_no_longer_than_allowed() {
    let limits = Limits {
        frozen_wait: Duration::from_millis(20),
        ..Limits::default()
    };
    let mut node = Node::alone_with(limits).await;
    node.plane.freeze_partition(3).unwrap();
    let status = node.client.set(set(&key_in(3, 0), "v")).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(Unavailable, "PARTITION_MOVING", "NOT_APPLIED")
    );
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..get(&key_in(3, 0))
    };
    let answer = node.client.get(any).await.unwrap().into_inner();
    assert_eq!(answer.status(), v1::Status::Miss, "ANY does not wait");
}

#[tokio::test]
async fn no_more_wait_than_there_are_places() {
    let node = Node::alone_with(Limits {
        parked_max: 1,
        ..waiting_long()
    })
    .await;
    node.plane.freeze_partition(3).unwrap();
    let mut client = node.client.clone();
    let first = tokio::spawn(async move { client.set(set(&key_in(3, 0), "v")).await });
    // Which of the two is told so is not known; one of them is, at once.
    let mut client = node.client.clone();
    let second = tokio::spawn(async move { client.set(set(&key_in(3, 1), "v")).await });
    eventually("one is refused", || {
        first.is_finished() || second.is_finished()
    })
    .await;
    node.plane.thaw_partition(3).unwrap();
    let answers = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let status = answers
        .iter()
        .find_map(|answer| answer.as_ref().err())
        .unwrap();
    assert_eq!(
        said(status),
        Said(Unavailable, "PARTITION_MOVING", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn after_a_handover_waiting_requests_follow_the_topology() {
    let pair = Pair::start_with(waiting_long()).await;
    let [a, b] = &pair.nodes;
    let key = key_in(4, 0);
    a.plane.freeze_partition(4).unwrap();
    let (asked, mut forwarding, mut routing) = (key.clone(), a.client.clone(), a.client.clone());
    let write = tokio::spawn(async move { forwarding.set(set(&asked, "v")).await });
    let routed = v1::SetRequest {
        routed: true,
        ..set(&key, "w")
    };
    let routed = tokio::spawn(async move { routing.set(routed).await });
    eventually("both writes have come", || taken(a, "Set") == 2).await;

    a.plane.close_partition(4).unwrap();
    b.plane.open_partition(4, 2, "c-1").unwrap();
    let owned: Vec<(u64, &str)> = (0..PARTITIONS)
        .map(|p| {
            if p == 4 {
                (2, "b")
            } else {
                (1, ["a", "b"][(p % 2) as usize])
            }
        })
        .collect();
    let topology = pair.topology(2, &owned);
    a.install(&topology);
    b.install(&topology);

    for waited in [write, routed] {
        let version = waited.await.unwrap().unwrap().into_inner().version.unwrap();
        assert_eq!(version.epoch, 2, "it was applied by the new owner");
    }
    // Whoever routes and comes now could know.
    let routed = v1::SetRequest {
        routed: true,
        ..set(&key, "x")
    };
    let moved = a.client.clone().set(routed).await.unwrap_err();
    assert_eq!(
        said(&moved),
        Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
    );
    assert_eq!(crate::support::metadata(&moved, "owner"), "b");
}

#[tokio::test]
async fn a_partition_that_is_opened_serves_who_waited_for_it() {
    let node = Node::alone_with(waiting_long()).await;
    node.plane.close_partition(3).unwrap();
    let mut client = node.client.clone();
    let read = tokio::spawn(async move { client.get(get(&key_in(3, 0))).await });
    eventually("the read has come", || taken(&node, "Get") == 1).await;
    assert!(!read.is_finished());
    node.plane.open_partition(3, 2, "c-1").unwrap();
    assert_eq!(
        read.await.unwrap().unwrap().into_inner().status(),
        v1::Status::Miss
    );
}

#[tokio::test]
async fn a_partition_starts_empty_and_under_its_own_epoch() {
    let mut node = Node::alone().await;
    let key = key_in(3, 0);
    node.client.set(set(&key, "v")).await.unwrap();
    node.plane.close_partition(3).unwrap();
    node.plane.close_partition(3).unwrap();
    node.plane.open_partition(3, 9, "c-1").unwrap();
    let miss = node.client.get(get(&key)).await.unwrap().into_inner();
    assert_eq!(miss.status(), v1::Status::Miss);
    let version = node
        .client
        .set(set(&key, "v"))
        .await
        .unwrap()
        .into_inner()
        .version
        .unwrap();
    assert_eq!(version, v1::Version { epoch: 9, seq: 1 });
}

#[tokio::test]
async fn impossible_partitions_are_refused_in_a_sentence() {
    let node = Node::alone().await;
    let open = node.plane.open_partition(3, 2, "c-1").unwrap_err();
    assert_eq!(
        open.to_string(),
        "partition 3 is open under epoch 1: close it first"
    );
    let beyond = node.plane.open_partition(PARTITIONS, 1, "c-1").unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "there is no partition 16: the cluster has 16"
    );
    node.plane.close_partition(3).unwrap();
    assert!(node.plane.freeze_partition(3).is_err());
    assert!(node.plane.open_partition(3, 0, "c-1").is_err());
}
