//! Tags over the wire: set anywhere, invalidated everywhere, on reads and on fills.

use bytes::Bytes;
use shoal_protos::v1;
use shoal_server::Limits;
use tonic::Code::{InvalidArgument, Unavailable};

use crate::copies::{Copies, P, any, patient};
use crate::fills::{LONG_MS, SOON, ask, filling, token, void, with_token};
use crate::proxy::Proxy;
use crate::support::{
    Client, Node, PARTITIONS, Pair, Said, eventually, get, key_in, metadata, said, set,
};

const KEY: Bytes = Bytes::from_static(b"product:42");

fn tagged(key: &Bytes, tags: &[&str]) -> v1::SetRequest {
    v1::SetRequest {
        tags: tags.iter().map(|&tag| tag.into()).collect(),
        ..set(key, "v")
    }
}

fn invalidation(tag: &str) -> v1::InvalidateTagRequest {
    v1::InvalidateTagRequest {
        tag: tag.into(),
        ..Default::default()
    }
}

async fn invalidate(
    client: &Client,
    asked: v1::InvalidateTagRequest,
) -> Result<Vec<u32>, tonic::Status> {
    let told = client.clone().invalidate_tag(asked).await?.into_inner();
    let versions = told.versions.iter();
    assert!(versions.clone().all(|told| told.version.unwrap().epoch > 0));
    Ok(versions.map(|told| told.partition).collect())
}

async fn status(client: &Client, key: &Bytes) -> v1::Status {
    ask(client, get(key)).await.status()
}

#[tokio::test]
async fn any_node_invalidates_a_tag_in_every_partition() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let keys: Vec<Bytes> = (0..PARTITIONS)
        .map(|partition| key_in(partition, 0))
        .collect();
    for asked in [a, b] {
        for key in &keys {
            a.client
                .clone()
                .set(tagged(key, &["x", "y"]))
                .await
                .unwrap();
        }
        let other = key_in(3, 1);
        a.client.clone().set(tagged(&other, &["y"])).await.unwrap();
        let all: Vec<u32> = (0..PARTITIONS).collect();
        assert_eq!(
            invalidate(&asked.client, invalidation("x")).await.unwrap(),
            all
        );
        for key in &keys {
            assert_eq!(status(&b.client, key).await, v1::Status::Miss);
        }
        assert_eq!(status(&b.client, &other).await, v1::Status::Hit);
    }
}

#[tokio::test]
async fn who_routes_for_itself_is_told_which_partitions_are_done() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let routed = v1::InvalidateTagRequest {
        routed: true,
        ..invalidation("x")
    };
    let at_a = invalidate(&a.client, routed.clone()).await.unwrap();
    let at_b = invalidate(&b.client, routed.clone()).await.unwrap();
    assert!(!at_a.is_empty() && !at_b.is_empty());
    let mut all = [at_a.clone(), at_b].concat();
    all.sort_unstable();
    assert_eq!(all, (0..PARTITIONS).collect::<Vec<_>>());
    let of_one = v1::InvalidateTagRequest {
        partitions: vec![at_a[0]],
        ..invalidation("x")
    };
    assert_eq!(invalidate(&b.client, of_one).await.unwrap(), at_a[..1]);
    let of_none = v1::InvalidateTagRequest {
        partitions: vec![PARTITIONS],
        ..invalidation("x")
    };
    let refused = invalidate(&b.client, of_none).await.unwrap_err();
    assert_eq!(
        said(&refused),
        Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn what_was_loaded_before_an_invalidation_is_not_stored_after_it() {
    let node = Node::alone().await;
    let before = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    invalidate(&node.client, invalidation("x")).await.unwrap();
    let late = v1::SetRequest {
        tags: vec!["x".into()],
        ..with_token(&KEY, "old", &before)
    };
    let refused = node.client.clone().set(late.clone()).await.unwrap_err();
    assert_eq!(said(&refused), void());
    let fill_token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let next = v1::SetRequest { fill_token, ..late };
    node.client.clone().set(next).await.unwrap();
    assert_eq!(status(&node.client, &KEY).await, v1::Status::Hit);
}

#[tokio::test]
async fn what_is_no_tag_is_refused() {
    let node = Node::alone().await;
    let long = "x".repeat(129);
    let many: Vec<String> = (0..17).map(|tag| tag.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for tags in [&[""][..], &[&long], &many] {
        let refused = node.client.clone().set(tagged(&KEY, tags)).await;
        assert_eq!(
            said(&refused.unwrap_err()),
            Said(InvalidArgument, "BAD_TAG", "NOT_APPLIED")
        );
    }
    for tag in ["", &long] {
        let refused = invalidate(&node.client, invalidation(tag)).await;
        assert_eq!(
            said(&refused.unwrap_err()),
            Said(InvalidArgument, "BAD_TAG", "NOT_APPLIED")
        );
    }
    node.client
        .clone()
        .set(tagged(&KEY, &many[1..]))
        .await
        .unwrap();
}

#[tokio::test]
async fn it_is_acknowledged_once_every_copy_in_sync_has_it_and_misses_wait_for_that() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else {
        panic!("there are two")
    };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    let (gone, stays) = (key_in(P, 0), key_in(P, 1));
    a.client.clone().set(tagged(&gone, &["x"])).await.unwrap();
    a.client.clone().set(tagged(&stays, &["y"])).await.unwrap();
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    assert_eq!(ask(&b.client, any(&gone)).await.status(), v1::Status::Hit);
    proxy.hold();
    let here = v1::InvalidateTagRequest {
        partitions: vec![P],
        ..invalidation("x")
    };
    let before = a.copy().position.seq;
    let client = a.client.clone();
    let mut waits = tokio::spawn(async move { invalidate(&client, here).await });
    eventually("it is applied", || a.copy().position.seq == before + 1).await;
    let (client, key) = (a.client.clone(), gone.clone());
    let mut misses = tokio::spawn(async move { status(&client, &key).await });
    assert_eq!(status(&a.client, &stays).await, v1::Status::Hit);
    let early = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(early, &mut waits).await.is_err());
    assert!(tokio::time::timeout(early, &mut misses).await.is_err());
    proxy.pass();
    let done = tokio::time::timeout(SOON, waits).await.unwrap().unwrap();
    assert_eq!(done.unwrap(), [P]);
    assert_eq!(misses.await.unwrap(), v1::Status::Miss);
    assert_eq!(ask(&b.client, any(&gone)).await.status(), v1::Status::Miss);
    assert_eq!(ask(&b.client, any(&stays)).await.status(), v1::Status::Hit);
}

#[tokio::test]
async fn a_partition_that_nobody_serves_makes_it_fail_and_say_what_to_do() {
    let limits = Limits {
        owner_wait: std::time::Duration::from_millis(50),
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    node.client.clone().set(tagged(&KEY, &["x"])).await.unwrap();
    node.plane.close_partition(7).unwrap();
    let failed = invalidate(&node.client, invalidation("x"))
        .await
        .unwrap_err();
    assert_eq!(
        said(&failed),
        Said(Unavailable, "NO_OWNER", "MAYBE_APPLIED")
    );
    assert_eq!(metadata(&failed, "partition"), "7");
    let all = PARTITIONS - 1;
    assert!(failed.message().contains(&format!("{all} of {PARTITIONS}")));
    assert!(failed.message().contains("repeat"));
    assert_eq!(status(&node.client, &KEY).await, v1::Status::Miss);
}
