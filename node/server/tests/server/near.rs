//! Hot keys are granted to near caches, and whoever watches hears of every write.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use shoal_protos::v1::operation::Operation;
use shoal_server::{Limits, boottime_ns};
use tokio_stream::StreamExt;
use tonic::Streaming;

use crate::fills::{LONG_MS, SOON, ask, filling, token, with_token};
use crate::support::{Client, Node, PARTITIONS, Pair, eventually, get, key_in, set, stream_raw};

type Updates = Streaming<v1::WatchInvalidationsResponse>;

pub(crate) const HOUR_NS: u64 = 3_600_000_000_000;

/// Read until the answer is granted, many times with each request, so that the key is hot
/// on a busy machine too.
pub(crate) async fn granted(client: &Client, asked: v1::GetRequest) -> v1::GetResponse {
    let mget = v1::MGetRequest {
        keys: vec![asked.key.clone(); 100],
        ..Default::default()
    };
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let answer = ask(client, asked.clone()).await;
        if answer.near_ms > 0 {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is not hot yet");
        client.clone().m_get(mget.clone()).await.unwrap();
    }
}

/// Watch everything: the updates behind the positions, and where each partition stood.
pub(crate) async fn watch(client: &Client, partitions: &[u32]) -> (Updates, Vec<(u32, u64, u64)>) {
    let partitions = partitions.iter().map(|&partition| v1::PartitionVersion {
        partition,
        version: None,
    });
    let asked = v1::WatchInvalidationsRequest {
        partitions: partitions.collect(),
    };
    let told = asked.partitions.len();
    let told = if told == 0 { PARTITIONS as usize } else { told };
    let mut updates = client
        .clone()
        .watch_invalidations(asked)
        .await
        .unwrap()
        .into_inner();
    let mut positions = Vec::new();
    for _ in 0..told {
        let update = updates.next().await.unwrap().unwrap();
        assert!(update.keys.is_empty() && update.version.is_none());
        positions.push((update.partition, update.epoch, update.sequence));
    }
    (updates, positions)
}

pub(crate) async fn next(updates: &mut Updates) -> v1::WatchInvalidationsResponse {
    let update = tokio::time::timeout(SOON, updates.next()).await;
    update.expect("an update").unwrap().unwrap()
}

/// The next update as (partition, epoch, sequence).
pub(crate) async fn position(updates: &mut Updates) -> (u32, u64, u64) {
    let update = next(updates).await;
    assert!(update.keys.is_empty());
    (update.partition, update.epoch, update.sequence)
}

pub(crate) fn told(node: &Node, what: &str) -> u64 {
    let near = node.plane.snapshot().near;
    near.iter().find(|(name, _)| *name == what).unwrap().1
}

async fn execute(node: &Node, operation: Operation) -> v1::result::Result {
    let request = v1::ExecuteRequest {
        id: 1,
        operations: vec![v1::Operation {
            operation: Some(operation),
        }],
        routed: false,
    };
    let message = Bytes::from(request.encode_to_vec());
    let mut answers = stream_raw(&node.address, "/shoal.v1.Cache/Execute", vec![message]).await;
    let answer = v1::ExecuteResponse::decode(answers.remove(0).unwrap()).unwrap();
    answer.results[0].result.clone().unwrap()
}

#[tokio::test]
async fn every_kind_of_write_to_what_is_granted_is_told_with_the_next_sequence() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    let mut client = node.client.clone();
    client.set(set(&key, "1")).await.unwrap();
    let (mut updates, positions) = watch(&client, &[]).await;
    let expected: Vec<_> = (0..PARTITIONS).map(|it| (it, 1, 0)).collect();
    assert_eq!(positions, expected);
    for write in 1..=9 {
        let before = granted(&client, get(&key)).await;
        assert!(before.near_ms <= 1000);
        // A key that is not granted is written beside it, and nothing is told of that.
        client.set(set(&key_in(3, 1), "v")).await.unwrap();
        let version = match write {
            1 => {
                client
                    .set(set(&key, "2"))
                    .await
                    .unwrap()
                    .into_inner()
                    .version
            }
            2 => {
                let condition = v1::Condition {
                    test: Some(v1::condition::Test::IfVersion(before.version.unwrap())),
                };
                let condition = Some(condition);
                let set = v1::SetRequest {
                    condition,
                    ..set(&key, "3")
                };
                client.set(set).await.unwrap().into_inner().version
            }
            3 => {
                let entries = vec![set(&key, "4")];
                let request = v1::MSetRequest {
                    entries,
                    routed: false,
                };
                client.m_set(request).await.unwrap().into_inner().results[0].version
            }
            4 => {
                let incr = v1::IncrRequest {
                    key: key.clone(),
                    ..Default::default()
                };
                client.incr(incr).await.unwrap().into_inner().version
            }
            5 => match execute(&node, Operation::Set(set(&key, "6"))).await {
                v1::result::Result::Set(answer) => answer.version,
                other => panic!("{other:?}"),
            },
            6 => {
                let touch = v1::TouchRequest {
                    key: key.clone(),
                    ttl_ms: 900,
                    ..Default::default()
                };
                assert!(client.touch(touch).await.unwrap().into_inner().applied);
                None
            }
            7 => {
                let absent = v1::SetRequest {
                    absent: true,
                    ..set(&key, "")
                };
                client.set(absent).await.unwrap().into_inner().version
            }
            8 => {
                assert_eq!(
                    before.status(),
                    v1::Status::Absent,
                    "what is absent is granted too"
                );
                let keys = vec![key.clone()];
                let del = v1::DelRequest {
                    keys,
                    ..Default::default()
                };
                Some(client.del(del).await.unwrap().into_inner().versions[0])
            }
            _ => {
                client
                    .set(set(&key, "9"))
                    .await
                    .unwrap()
                    .into_inner()
                    .version
            }
        };
        let update = next(&mut updates).await;
        let expected = v1::WatchInvalidationsResponse {
            partition: 3,
            version,
            keys: vec![key.clone()],
            sequence: write,
            epoch: 1,
        };
        assert_eq!(update, expected);
        if write == 8 {
            client.set(set(&key, "8")).await.unwrap();
        }
    }
    assert!(told(&node, "grants") >= 9);
    assert_eq!(
        (told(&node, "watchers"), told(&node, "invalidations_sent")),
        (1, 9)
    );
}

#[tokio::test]
async fn what_is_loaded_with_a_token_is_told_and_a_load_is_not_granted() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    node.client.clone().set(set(&key, "1")).await.unwrap();
    // Who asks with a fill is granted as well.
    granted(&node.client, filling(&key, LONG_MS, 0)).await;
    let (mut updates, _) = watch(&node.client, &[]).await;
    let soon_stale = v1::SetRequest {
        fresh_ms: 1,
        ttl_ms: LONG_MS,
        ..set(&key, "2")
    };
    node.client.clone().set(soon_stale).await.unwrap();
    assert_eq!(next(&mut updates).await.sequence, 1);
    let deadline = tokio::time::Instant::now() + SOON;
    let token = loop {
        let answer = ask(&node.client, filling(&key, LONG_MS, 0)).await;
        assert!(answer.near_ms <= 1, "no longer than it is fresh");
        if !answer.fill_token.is_empty() {
            assert_eq!(answer.near_ms, 0);
            break answer.fill_token;
        }
        assert!(tokio::time::Instant::now() < deadline);
    };
    let stale = ask(&node.client, get(&key)).await;
    assert_eq!((stale.status(), stale.near_ms), (v1::Status::Stale, 0));
    // What is stale was noted by who asked: it is told that there is a fresh one.
    node.client
        .clone()
        .set(with_token(&key, "3", &token))
        .await
        .unwrap();
    assert_eq!(next(&mut updates).await.sequence, 2);
}

#[tokio::test]
async fn who_is_to_refresh_early_is_not_granted_what_is_there() {
    const LOAD: Duration = Duration::from_millis(20);
    let node = Node::alone().await;
    let key = key_in(3, 0);
    node.client.clone().set(set(&key, "0")).await.unwrap();
    granted(&node.client, get(&key)).await;
    let del = v1::DelRequest {
        keys: vec![key.clone()],
        ..Default::default()
    };
    node.client.clone().del(del).await.unwrap();
    let token = token(&node.client, filling(&key, LONG_MS, 0)).await;
    // As long as that, the node believes, the next load takes as well.
    tokio::time::sleep(LOAD).await;
    let loaded = v1::SetRequest {
        fresh_ms: 2000,
        ttl_ms: LONG_MS,
        ..with_token(&key, "1", &token)
    };
    node.client.clone().set(loaded).await.unwrap();
    let mut eager = filling(&key, LONG_MS, 0);
    eager.fill.as_mut().unwrap().beta = Some(100.0);
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let answer = ask(&node.client, eager.clone()).await;
        assert_eq!(answer.status(), v1::Status::Hit, "it is fresh still");
        if !answer.fill_token.is_empty() {
            assert_eq!(answer.near_ms, 0);
            break;
        }
        assert!(answer.near_ms > 0);
        assert!(tokio::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_grant_ends_with_the_entry_and_goes_to_those_who_may_be_answered_from_memory() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    let short = v1::SetRequest {
        ttl_ms: LONG_MS,
        fresh_ms: 300,
        ..set(&key, "1")
    };
    node.client.clone().set(short).await.unwrap();
    let answer = granted(&node.client, get(&key)).await;
    assert!(answer.near_ms <= 300);
    node.client.clone().set(set(&key, "2")).await.unwrap();
    let reading = |read: v1::ReadMode| v1::GetRequest {
        read: read as i32,
        ..get(&key)
    };
    let by_name = ask(&node.client, reading(v1::ReadMode::Primary)).await;
    let any = ask(&node.client, reading(v1::ReadMode::Any)).await;
    assert_eq!((by_name.near_ms, any.near_ms), (0, 1000));
    let keys = vec![key.clone(), key_in(3, 1)];
    let mget = v1::MGetRequest {
        keys,
        ..Default::default()
    };
    let many = node.client.clone().m_get(mget).await.unwrap().into_inner();
    let near: Vec<i64> = many.entries.iter().map(|entry| entry.near_ms).collect();
    assert_eq!(near, [1000, 0]);
    match execute(&node, Operation::Get(get(&key))).await {
        v1::result::Result::Get(answer) => assert_eq!(answer.near_ms, 1000),
        other => panic!("{other:?}"),
    }
    // No longer than the lease, whatever is read.
    node.plane
        .set_lease_deadline(boottime_ns() + HOUR_NS / 7200);
    let answer = ask(&node.client, get(&key)).await;
    assert!((1..=500).contains(&answer.near_ms), "{answer:?}");
}

#[tokio::test]
async fn a_longer_life_is_not_told_and_a_condition_that_fails_neither() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    let mut client = node.client.clone();
    let with_ttl = v1::SetRequest {
        ttl_ms: 60_000,
        ..set(&key, "1")
    };
    client.set(with_ttl).await.unwrap();
    let (mut updates, _) = watch(&client, &[3]).await;
    granted(&client, get(&key)).await;
    for ttl_ms in [120_000, 0] {
        let touch = v1::TouchRequest {
            key: key.clone(),
            ttl_ms,
            ..Default::default()
        };
        assert!(client.touch(touch).await.unwrap().into_inner().applied);
    }
    let condition = Some(v1::Condition {
        test: Some(v1::condition::Test::IfAbsent(true)),
    });
    let unless = v1::SetRequest {
        condition,
        ..set(&key, "2")
    };
    assert!(!client.set(unless).await.unwrap().into_inner().applied);
    // The first that is told is this.
    let del = v1::DelRequest {
        keys: vec![key.clone()],
        ..Default::default()
    };
    let version = client.del(del).await.unwrap().into_inner().versions[0];
    let update = next(&mut updates).await;
    assert_eq!((update.sequence, update.version), (1, Some(version)));
}

#[tokio::test]
async fn an_invalidated_tag_is_told_without_keys_where_anything_is_granted() {
    let node = Node::alone().await;
    let key = key_in(3, 0);
    let tagged = v1::SetRequest {
        tags: vec!["t".into()],
        ..set(&key, "1")
    };
    node.client.clone().set(tagged).await.unwrap();
    let (mut updates, _) = watch(&node.client, &[]).await;
    granted(&node.client, get(&key)).await;
    let tag = v1::InvalidateTagRequest {
        tag: "t".into(),
        ..Default::default()
    };
    let versions = node
        .client
        .clone()
        .invalidate_tag(tag.clone())
        .await
        .unwrap()
        .into_inner();
    let update = next(&mut updates).await;
    let version = versions
        .versions
        .iter()
        .find(|it| it.partition == 3)
        .unwrap()
        .version;
    let expected = v1::WatchInvalidationsResponse {
        partition: 3,
        version,
        keys: vec![],
        sequence: 1,
        epoch: 1,
    };
    assert_eq!(update, expected, "and nothing of the other partitions");
    // Nothing is granted now, so nothing is told.
    node.client.clone().invalidate_tag(tag).await.unwrap();
    node.client.clone().set(set(&key, "2")).await.unwrap();
    granted(&node.client, get(&key)).await;
    node.client.clone().set(set(&key, "3")).await.unwrap();
    assert_eq!(next(&mut updates).await.sequence, 2);
}

#[tokio::test]
async fn a_node_that_forwards_passes_the_grant_on_and_a_copy_grants_nothing() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(1, 0);
    a.client.clone().set(set(&key, "1")).await.unwrap();
    assert_eq!(granted(&a.client, get(&key)).await.near_ms, 1000);
    let keys = vec![key.clone()];
    let mget = v1::MGetRequest {
        keys,
        ..Default::default()
    };
    let many = a.client.clone().m_get(mget).await.unwrap().into_inner();
    assert_eq!(many.entries[0].near_ms, 1000);
    assert_eq!((told(a, "grants"), told(a, "hot")), (0, 0));
    assert_eq!(told(b, "hot"), 1);
    // A copy that was the primary, and knows the key to be hot.
    b.plane.follow_partition(1, "a", "", 2, "c-2").unwrap();
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..get(&key)
    };
    let answer = ask(&b.client, any).await;
    assert!(answer.maybe_stale);
    assert_eq!((answer.status(), answer.near_ms), (v1::Status::Hit, 0));
}

#[tokio::test]
async fn a_key_that_cools_is_granted_no_more() {
    let limits = Limits {
        near_grant: Duration::from_millis(100),
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    let key = key_in(3, 0);
    node.client.clone().set(set(&key, "1")).await.unwrap();
    assert_eq!(granted(&node.client, get(&key)).await.near_ms, 100);
    assert_eq!(told(&node, "hot"), 1);
    eventually("it has cooled", || told(&node, "hot") == 0).await;
    assert_eq!(ask(&node.client, get(&key)).await.near_ms, 0);
}

#[tokio::test]
async fn nothing_is_granted_where_grants_are_off() {
    let limits = Limits {
        near_grant: Duration::ZERO,
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    let key = key_in(3, 0);
    node.client.clone().set(set(&key, "1")).await.unwrap();
    // The sketch tells that it is hot; a second later still nothing is granted.
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(ask(&node.client, get(&key)).await.near_ms, 0);
    }
    assert_eq!(node.plane.snapshot().hot.keys[0].key, key);
    assert_eq!(told(&node, "hot"), 0);
}
