//! Who watches for invalidations hears of partitions that go and come, in bounds.

use std::time::Duration;

use bytes::Bytes;
use shoal_protos::v1;
use shoal_server::{Eviction, Limits, Settings, boottime_ns};
use tokio_stream::StreamExt;
use tonic::Code::{InvalidArgument, ResourceExhausted, Unavailable};

use crate::fills::{SOON, ask};
use crate::near::{HOUR_NS, granted, next, position, told, watch};
use crate::support::{
    Node, PARTITIONS, Said, client, eventually, get, key_in, said, set, settings,
};

#[tokio::test]
async fn a_partition_that_goes_is_told_and_one_that_comes_too() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    node.client.clone().set(set(&key, "1")).await.unwrap();
    let (mut updates, positions) = watch(&node.client, &[3, 5]).await;
    assert_eq!(positions, [(3, 1, 0), (5, 1, 0)]);
    granted(&node.client, get(&key)).await;
    node.plane.freeze_partition(3).unwrap();
    assert_eq!(position(&mut updates).await, (3, 0, 0));
    let (_, late) = watch(&node.client, &[3]).await;
    assert_eq!(late, [(3, 0, 0)]);
    node.plane.thaw_partition(3).unwrap();
    node.plane.thaw_partition(3).unwrap();
    assert_eq!(position(&mut updates).await, (3, 1, 0));
    // What was granted before is noted still.
    node.client.clone().set(set(&key, "2")).await.unwrap();
    assert_eq!(next(&mut updates).await.sequence, 1);
    // Others are not asked for.
    node.plane.close_partition(4).unwrap();
    node.plane.close_partition(3).unwrap();
    assert_eq!(position(&mut updates).await, (3, 0, 0));
    node.plane.open_partition(3, 2, "c-2").unwrap();
    assert_eq!(position(&mut updates).await, (3, 2, 1), "it counts on");
    node.plane.follow_partition(3, "b", "", 3, "c-3").unwrap();
    assert_eq!(position(&mut updates).await, (3, 0, 0));
    node.plane.promote_partition(3, 4).unwrap();
    assert_eq!(position(&mut updates).await, (3, 4, 1));
    // What was asked for by name is told where it is not served, too.
    let (_, positions) = watch(&node.client, &[3, 4]).await;
    assert_eq!(positions, [(3, 4, 1), (4, 0, 0)]);
    let beyond = v1::WatchInvalidationsRequest {
        partitions: vec![v1::PartitionVersion {
            partition: PARTITIONS,
            version: None,
        }],
    };
    let refused = node
        .client
        .clone()
        .watch_invalidations(beyond)
        .await
        .unwrap_err();
    assert_eq!(
        said(&refused),
        Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
    );
}

/// Who was granted it holds it still, whatever the node has dropped meanwhile.
#[tokio::test]
async fn a_delete_of_what_was_evicted_is_told() {
    let node = Node::start(Settings {
        maxmemory_bytes: 2 << 20,
        eviction: Eviction::Lru,
        ..settings("a")
    })
    .await;
    for partition in 0..PARTITIONS {
        node.plane.open_partition(partition, 1, "c-1").unwrap();
    }
    let key = key_in(3, 0);
    let mut client = node.client.clone();
    client.set(set(&key, "1")).await.unwrap();
    let (mut updates, _) = watch(&client, &[3]).await;
    granted(&client, get(&key)).await;
    let by_name = v1::GetRequest {
        read: v1::ReadMode::Primary as i32,
        ..get(&key)
    };
    let deadline = tokio::time::Instant::now() + SOON;
    let mut number = 0;
    while ask(&client, by_name.clone()).await.status() == v1::Status::Hit {
        assert!(tokio::time::Instant::now() < deadline, "it is not evicted");
        for _ in 0..1000 {
            number += 1;
            let other = v1::SetRequest {
                value: vec![b'v'; 4000].into(),
                ..set(&Bytes::from(format!("other:{number}")), "")
            };
            client.set(other).await.unwrap();
        }
    }
    let del = v1::DelRequest {
        keys: vec![key.clone()],
        ..Default::default()
    };
    let gone = client.del(del).await.unwrap().into_inner();
    assert_eq!(gone.deleted, 0);
    let update = next(&mut updates).await;
    assert_eq!(
        (update.keys, update.version),
        (vec![key], Some(gone.versions[0]))
    );
}

#[tokio::test]
async fn a_lease_that_ends_is_told_of_every_partition() {
    let node = Node::alone().await;
    let (mut updates, _) = watch(&node.client, &[]).await;
    node.plane.set_lease_deadline(0);
    for partition in 0..PARTITIONS {
        assert_eq!(position(&mut updates).await, (partition, 0, 0));
    }
    node.plane.set_lease_deadline(boottime_ns() + HOUR_NS);
    for partition in 0..PARTITIONS {
        assert_eq!(position(&mut updates).await, (partition, 1, 0));
    }
}

#[tokio::test]
async fn a_watcher_that_is_too_slow_begins_anew() {
    let node = Node::alone().await;
    let (mut updates, _) = watch(&node.client, &[]).await;
    // Nobody else runs on this thread meanwhile.
    for _ in 0..5000 {
        node.plane.freeze_partition(3).unwrap();
        node.plane.thaw_partition(3).unwrap();
    }
    let ended = loop {
        match updates.next().await.unwrap() {
            Ok(update) => assert_eq!(update.partition, 3),
            Err(status) => break status,
        }
    };
    let expected = Said(ResourceExhausted, "TOO_MANY_REQUESTS", "NOT_APPLIED");
    assert_eq!(said(&ended), expected);
    assert_eq!(
        (told(&node, "watchers_lost"), told(&node, "watchers")),
        (1, 0)
    );
    let (_, positions) = watch(&node.client, &[3]).await;
    assert_eq!(positions, [(3, 1, 0)]);
}

#[tokio::test]
async fn watchers_have_a_bound() {
    let limits = Limits {
        watchers_max: 1,
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    let (first, _) = watch(&node.client, &[]).await;
    let asked = v1::WatchInvalidationsRequest::default();
    let refused = node
        .client
        .clone()
        .watch_invalidations(asked)
        .await
        .unwrap_err();
    let expected = Said(ResourceExhausted, "TOO_MANY_REQUESTS", "NOT_APPLIED");
    assert_eq!(said(&refused), expected);
    drop(first);
    eventually("the first has left", || told(&node, "watchers") == 0).await;
    watch(&node.client, &[]).await;
}

#[tokio::test]
async fn watchers_are_told_that_the_node_stops() {
    let node = Node::alone().await;
    let apart = client(&node.address).await;
    let (mut updates, _) = watch(&apart, &[]).await;
    let plane = node.plane.clone();
    let stop = tokio::spawn(async move { plane.stop(Duration::from_secs(30)).await });
    let status = updates.next().await.unwrap().unwrap_err();
    assert_eq!(said(&status), Said(Unavailable, "STOPPING", "NOT_APPLIED"));
    drop((updates, apart));
    stop.await.unwrap();
}
