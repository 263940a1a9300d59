//! Every verb on one node, over a real connection.

use crate::support::{Node, Said, get, said, set};
use bytes::Bytes;
use shoal_protos::v1;
use shoal_protos::v1::condition::Test;
use tonic::Code::InvalidArgument;

const KEY: Bytes = Bytes::from_static(b"product:42");

fn condition(test: Test) -> Option<v1::Condition> {
    Some(v1::Condition { test: Some(test) })
}

#[tokio::test]
async fn get_answers_hit_miss_and_absent() {
    let mut node = Node::alone().await;
    let miss = node.client.get(get(&KEY)).await.unwrap().into_inner();
    assert_eq!(
        miss,
        v1::GetResponse {
            status: v1::Status::Miss as i32,
            ..Default::default()
        }
    );

    let stored = node
        .client
        .set(set(&KEY, "shoes"))
        .await
        .unwrap()
        .into_inner();
    assert!(stored.applied);
    let hit = node.client.get(get(&KEY)).await.unwrap().into_inner();
    assert_eq!(hit.status(), v1::Status::Hit);
    assert_eq!((&hit.value[..], hit.ttl_ms), (&b"shoes"[..], 0));
    assert_eq!(hit.version, stored.version);
    assert_eq!(hit.version.unwrap(), v1::Version { epoch: 1, seq: 1 });

    let nothing = v1::SetRequest {
        key: KEY,
        absent: true,
        ..Default::default()
    };
    node.client.set(nothing).await.unwrap();
    let absent = node.client.get(get(&KEY)).await.unwrap().into_inner();
    assert_eq!(absent.status(), v1::Status::Absent);
    assert!(absent.value.is_empty());
}

#[tokio::test]
async fn the_primary_answers_any_and_at_least() {
    let mut node = Node::alone().await;
    let version = node
        .client
        .set(set(&KEY, "v"))
        .await
        .unwrap()
        .into_inner()
        .version;
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..get(&KEY)
    };
    assert_eq!(
        node.client.get(any).await.unwrap().into_inner().status(),
        v1::Status::Hit
    );
    let at_least = v1::GetRequest {
        at_least: version,
        ..get(&KEY)
    };
    assert_eq!(
        node.client
            .get(at_least)
            .await
            .unwrap()
            .into_inner()
            .status(),
        v1::Status::Hit
    );
}

#[tokio::test]
async fn an_entry_lives_as_long_as_it_was_given() {
    let mut node = Node::alone().await;
    let short = v1::SetRequest {
        ttl_ms: 60_000,
        ..set(&KEY, "v")
    };
    node.client.set(short).await.unwrap();
    let hit = node.client.get(get(&KEY)).await.unwrap().into_inner();
    assert!((50_000..=60_000).contains(&hit.ttl_ms), "{}", hit.ttl_ms);

    let touch = v1::TouchRequest {
        key: KEY,
        ttl_ms: 0,
        ..Default::default()
    };
    let touched = node.client.touch(touch).await.unwrap().into_inner();
    assert!(touched.applied);
    assert_eq!(touched.version, hit.version, "touch leaves the version");
    assert_eq!(
        node.client
            .get(get(&KEY))
            .await
            .unwrap()
            .into_inner()
            .ttl_ms,
        0
    );

    let other = v1::TouchRequest {
        key: Bytes::from_static(b"other"),
        ..Default::default()
    };
    assert!(!node.client.touch(other).await.unwrap().into_inner().applied);
}

#[tokio::test]
async fn expired_entries_go_without_being_read() {
    let mut node = Node::alone().await;
    for n in 0..500 {
        let key = Bytes::from(format!("k{n}"));
        let request = v1::SetRequest {
            ttl_ms: 1,
            ..set(&key, "v")
        };
        node.client.set(request).await.unwrap();
    }
    let plane = node.plane.clone();
    crate::support::eventually("expired entries are reclaimed", || {
        plane.stats().entries == 0
    })
    .await;
    assert_eq!(node.plane.stats().expired, 500);
}

#[tokio::test]
async fn conditions_hold_or_say_what_stands() {
    let mut node = Node::alone().await;
    let with = |test| v1::SetRequest {
        condition: condition(test),
        ..set(&KEY, "v")
    };
    let refused = node
        .client
        .set(with(Test::IfPresent(true)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(refused, v1::SetResponse::default());
    let stored = node
        .client
        .set(with(Test::IfAbsent(true)))
        .await
        .unwrap()
        .into_inner();
    assert!(stored.applied);
    let again = node
        .client
        .set(with(Test::IfAbsent(true)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.applied, again.version), (false, stored.version));

    let version = stored.version.unwrap();
    let swapped = node
        .client
        .set(with(Test::IfVersion(version)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((swapped.applied, swapped.version.unwrap().seq), (true, 2));
    let stale = node
        .client
        .set(with(Test::IfVersion(version)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((stale.applied, stale.version), (false, swapped.version));
}

#[tokio::test]
async fn incr_counts_from_its_initial_value() {
    let mut node = Node::alone().await;
    let incr = |delta, initial| v1::IncrRequest {
        key: KEY,
        delta,
        initial,
        ..Default::default()
    };
    assert_eq!(
        node.client
            .incr(incr(None, 10))
            .await
            .unwrap()
            .into_inner()
            .value,
        11
    );
    assert_eq!(
        node.client
            .incr(incr(Some(-5), 10))
            .await
            .unwrap()
            .into_inner()
            .value,
        6
    );
    assert_eq!(
        node.client
            .incr(incr(Some(0), 0))
            .await
            .unwrap()
            .into_inner()
            .value,
        6
    );
    assert_eq!(
        &node.client.get(get(&KEY)).await.unwrap().into_inner().value[..],
        b"6"
    );

    let over = node.client.incr(incr(Some(i64::MAX), 0)).await.unwrap_err();
    assert_eq!(
        said(&over),
        Said(InvalidArgument, "OVERFLOW", "NOT_APPLIED")
    );
    node.client.set(set(&KEY, "six")).await.unwrap();
    let not = node.client.incr(incr(None, 0)).await.unwrap_err();
    assert_eq!(
        said(&not),
        Said(InvalidArgument, "NOT_AN_INTEGER", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn del_counts_what_was_there_and_versions_every_key() {
    let mut node = Node::alone().await;
    let keys: Vec<Bytes> = (0..5).map(|n| Bytes::from(format!("k{n}"))).collect();
    for key in &keys[..3] {
        node.client.set(set(key, "v")).await.unwrap();
    }
    let del = v1::DelRequest {
        keys: keys.clone(),
        ..Default::default()
    };
    let gone = node.client.del(del.clone()).await.unwrap().into_inner();
    assert_eq!((gone.deleted, gone.versions.len()), (3, 5));
    assert!(
        gone.versions
            .iter()
            .all(|version| version.epoch == 1 && version.seq > 0)
    );
    assert_eq!(node.client.del(del).await.unwrap().into_inner().deleted, 0);
    let none = v1::DelRequest::default();
    assert_eq!(
        node.client.del(none).await.unwrap().into_inner(),
        v1::DelResponse::default()
    );
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let mut node = Node::alone().await;
    let client = &mut node.client;
    let refused = |reason| Said(InvalidArgument, reason, "NOT_APPLIED");

    let empty = client.get(get(&Bytes::new())).await.unwrap_err();
    assert_eq!(said(&empty), refused("KEY_EMPTY"));
    let longest = Bytes::from(vec![b'k'; 1024]);
    client.get(get(&longest)).await.unwrap();
    let long = client
        .get(get(&Bytes::from(vec![b'k'; 1025])))
        .await
        .unwrap_err();
    assert_eq!(said(&long), refused("KEY_TOO_LONG"));
    assert!(
        long.message().contains("1025") && long.message().contains("1024"),
        "{long:?}"
    );

    let biggest = v1::SetRequest {
        value: vec![0; 1 << 20].into(),
        ..set(&KEY, "")
    };
    client.set(biggest).await.unwrap();
    let large = v1::SetRequest {
        value: vec![0; (1 << 20) + 1].into(),
        ..set(&KEY, "")
    };
    let large = client.set(large).await.unwrap_err();
    assert_eq!(said(&large), refused("VALUE_TOO_LARGE"));

    let negative = v1::SetRequest {
        ttl_ms: -1,
        ..set(&KEY, "v")
    };
    assert_eq!(
        said(&client.set(negative).await.unwrap_err()),
        refused("TTL_NEGATIVE")
    );
    let touch = v1::TouchRequest {
        key: KEY,
        ttl_ms: -1,
        ..Default::default()
    };
    assert_eq!(
        said(&client.touch(touch).await.unwrap_err()),
        refused("TTL_NEGATIVE")
    );
    let incr = v1::IncrRequest {
        key: KEY,
        ttl_ms: i64::MIN,
        ..Default::default()
    };
    assert_eq!(
        said(&client.incr(incr).await.unwrap_err()),
        refused("TTL_NEGATIVE")
    );
    let forever = v1::SetRequest {
        ttl_ms: i64::MAX,
        ..set(&KEY, "v")
    };
    assert_eq!(
        said(&client.set(forever).await.unwrap_err()),
        refused("OVERFLOW")
    );

    let mode = v1::GetRequest {
        read: 99,
        ..get(&KEY)
    };
    assert_eq!(
        said(&client.get(mode).await.unwrap_err()),
        refused("MALFORMED_REQUEST")
    );
    let ack = v1::SetRequest {
        ack: 99,
        ..set(&KEY, "v")
    };
    assert_eq!(
        said(&client.set(ack).await.unwrap_err()),
        refused("MALFORMED_REQUEST")
    );

    let version = v1::Version { epoch: 0, seq: 1 };
    for wrong in [
        condition(Test::IfAbsent(false)),
        condition(Test::IfPresent(false)),
        condition(Test::IfVersion(version)),
        Some(v1::Condition { test: None }),
    ] {
        let set = v1::SetRequest {
            condition: wrong,
            ..set(&KEY, "v")
        };
        assert_eq!(
            said(&client.set(set).await.unwrap_err()),
            refused("BAD_CONDITION")
        );
    }
    let both = v1::SetRequest {
        absent: true,
        ..set(&KEY, "v")
    };
    assert_eq!(
        said(&client.set(both).await.unwrap_err()),
        refused("BAD_CONDITION")
    );
}

#[tokio::test]
async fn a_request_with_the_same_id_counts_once() {
    let mut node = Node::alone().await;
    let client = &mut node.client;
    let incr = |id: &str| v1::IncrRequest {
        key: KEY,
        request_id: id.to_owned().into(),
        ..Default::default()
    };
    let first = client.incr(incr("one")).await.unwrap().into_inner();
    let again = client.incr(incr("one")).await.unwrap().into_inner();
    assert_eq!(again, first);
    let next = client.incr(incr("two")).await.unwrap().into_inner();
    assert_eq!(next.value, 2);
    let swap = v1::SetRequest {
        condition: Some(v1::Condition {
            test: next.version.map(v1::condition::Test::IfVersion),
        }),
        request_id: "three".into(),
        ..set(&KEY, "v")
    };
    let first = client.set(swap.clone()).await.unwrap().into_inner();
    assert!(first.applied);
    let again = client.set(swap).await.unwrap().into_inner();
    assert_eq!(again, first, "its condition does not hold any more");
    for bytes in [65, 1000] {
        let refused = client.incr(incr(&"x".repeat(bytes))).await.unwrap_err();
        assert_eq!(
            said(&refused),
            Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
        );
    }
}

#[tokio::test]
async fn requests_and_failures_are_counted() {
    let mut node = Node::alone().await;
    node.client.set(set(&KEY, "v")).await.unwrap();
    node.client.get(get(&KEY)).await.unwrap();
    node.client
        .get(get(&Bytes::from_static(b"other")))
        .await
        .unwrap();
    node.client.get(get(&Bytes::new())).await.unwrap_err();
    let stats = node.plane.stats();
    let of = |counts: &[(&str, u64)], name| counts.iter().find(|(n, _)| *n == name).unwrap().1;
    assert_eq!(of(&stats.requests, "Get"), 3);
    assert_eq!(of(&stats.requests, "Set"), 1);
    assert_eq!(of(&stats.failures, "KEY_EMPTY"), 1);
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
    assert_eq!((stats.connections, stats.open_partitions), (1, 16));
    assert!(stats.memory_bytes > 0 && stats.lease_remaining_ms > 3_000_000);
}
