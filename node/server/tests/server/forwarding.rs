//! Two nodes that own half each: whichever is asked, the owner answers.

use std::time::Duration;

use bytes::Bytes;
use shoal_protos::v1;
use shoal_protos::v1::operation::Operation;
use shoal_server::{Limits, Settings};
use tokio_stream::StreamExt;
use tonic::Code::{DeadlineExceeded, FailedPrecondition, Unavailable};

use crate::support::{
    Node, PARTITIONS, Pair, Said, get, key_in, metadata, said, set, settings, topology,
};

fn keys() -> Vec<Bytes> {
    (0..PARTITIONS)
        .map(|partition| key_in(partition, 0))
        .collect()
}

/// Everything owned by `owner` under this epoch.
fn all(epoch: u64, owner: &'static str) -> Vec<(u64, &'static str)> {
    vec![(epoch, owner); PARTITIONS as usize]
}

#[tokio::test]
async fn any_node_answers_for_any_key() {
    let pair = Pair::start().await;
    let (mut a, mut b) = (pair.nodes[0].client.clone(), pair.nodes[1].client.clone());
    for key in keys() {
        assert!(a.set(set(&key, "1")).await.unwrap().into_inner().applied);
        assert_eq!(
            &b.get(get(&key)).await.unwrap().into_inner().value[..],
            b"1"
        );
        let incr = v1::IncrRequest {
            key: key.clone(),
            ..Default::default()
        };
        assert_eq!(b.incr(incr).await.unwrap().into_inner().value, 2);
        let touch = v1::TouchRequest {
            key: key.clone(),
            ttl_ms: 60_000,
            ..Default::default()
        };
        assert!(a.touch(touch).await.unwrap().into_inner().applied);
        assert!(a.get(get(&key)).await.unwrap().into_inner().ttl_ms > 0);
    }
    let del = v1::DelRequest {
        keys: keys(),
        ..Default::default()
    };
    let gone = a.del(del).await.unwrap().into_inner();
    assert_eq!(
        (gone.deleted, gone.versions.len()),
        (i64::from(PARTITIONS), 16)
    );
    assert!(gone.versions.iter().all(|version| version.seq > 0));
    let [stats_a, stats_b] = [pair.nodes[0].plane.stats(), pair.nodes[1].plane.stats()];
    // Of each verb on a key, half is forwarded; the Del is, once, for its other half.
    assert_eq!((stats_a.forwarded, stats_b.forwarded), (8 * 3 + 1, 8 * 2));
    assert_eq!((stats_a.moved, stats_b.moved), (0, 0));
}

#[tokio::test]
async fn a_failure_of_the_owner_is_passed_on() {
    let pair = Pair::start().await;
    let mut a = pair.nodes[0].client.clone();
    let key = key_in(1, 0);
    a.set(set(&key, "six")).await.unwrap();
    let incr = v1::IncrRequest {
        key,
        ..Default::default()
    };
    let status = a.incr(incr).await.unwrap_err();
    let invalid = tonic::Code::InvalidArgument;
    assert_eq!(
        said(&status),
        Said(invalid, "NOT_AN_INTEGER", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn who_routes_is_told_where_a_key_has_moved() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(5, 0);
    let routed = v1::GetRequest {
        routed: true,
        ..get(&key)
    };
    let moved = a.client.clone().get(routed.clone()).await.unwrap_err();
    assert_eq!(
        said(&moved),
        Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
    );
    assert_eq!(metadata(&moved, "owner"), "b");
    assert_eq!(metadata(&moved, "address"), b.address);
    assert_eq!(metadata(&moved, "epoch"), "1");
    assert_eq!(metadata(&moved, "partition"), "5");
    assert!(b.client.clone().get(routed).await.is_ok());
    assert_eq!((a.plane.stats().moved, a.plane.stats().forwarded), (1, 0));

    let mget = v1::MGetRequest {
        keys: keys(),
        routed: true,
        ..Default::default()
    };
    let entries = a
        .client
        .clone()
        .m_get(mget)
        .await
        .unwrap()
        .into_inner()
        .entries;
    for (partition, entry) in entries.iter().enumerate() {
        let reason = entry.error.as_ref().map(|error| error.reason.as_str());
        let expected = (partition % 2 == 1).then_some("MOVED");
        assert_eq!(reason, expected, "partition {partition}");
    }
}

#[tokio::test]
async fn mixed_batches_are_put_together_in_the_order_asked() {
    let pair = Pair::start().await;
    let mut a = pair.nodes[0].client.clone();
    let entries: Vec<_> = keys()
        .iter()
        .map(|key| v1::SetRequest {
            value: key.clone(),
            ..set(key, "")
        })
        .collect();
    let mset = v1::MSetRequest {
        entries,
        ..Default::default()
    };
    let results = a.m_set(mset).await.unwrap().into_inner().results;
    assert!(results.iter().all(|result| result.applied) && results.len() == 16);

    let asked: Vec<Bytes> = keys()
        .into_iter()
        .rev()
        .chain([key_in(3, 9), Bytes::new()])
        .collect();
    let mget = v1::MGetRequest {
        keys: asked.clone(),
        ..Default::default()
    };
    let entries = a.m_get(mget).await.unwrap().into_inner().entries;
    assert_eq!(entries.len(), 18);
    for (key, entry) in asked.iter().zip(&entries).take(16) {
        assert_eq!(&entry.value, key);
    }
    assert_eq!(entries[16].status(), v1::Status::Miss);
    assert_eq!(entries[17].error.as_ref().unwrap().reason, "KEY_EMPTY");
    assert_eq!(
        pair.nodes[0].plane.stats().forwarded,
        2,
        "one request an owner"
    );
}

#[tokio::test]
async fn a_mixed_execute_keeps_the_order_of_each_partition() {
    let pair = Pair::start().await;
    let mut a = pair.nodes[0].client.clone();
    let wrap = |operation| v1::Operation {
        operation: Some(operation),
    };
    let mut operations = Vec::new();
    for round in 0..3 {
        for key in keys() {
            let incr = v1::IncrRequest {
                key: key.clone(),
                ..Default::default()
            };
            operations.push(wrap(Operation::Incr(incr)));
            if round == 1 {
                let del = v1::DelRequest {
                    keys: vec![key, key_in(2, 7)],
                    ..Default::default()
                };
                operations.push(wrap(Operation::Del(del)));
            }
        }
    }
    let request = v1::ExecuteRequest {
        id: 5,
        operations,
        ..Default::default()
    };
    let mut answers = a
        .execute(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    assert_eq!((answer.id, answer.results.len()), (5, 16 * 4));
    let mut counted = Vec::new();
    let mut deleted = 0;
    for result in answer.results {
        match result.result.unwrap() {
            v1::result::Result::Incr(incr) => counted.push(incr.value),
            v1::result::Result::Del(del) => deleted += del.deleted,
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<i64> = [1, 2, 1].iter().flat_map(|value| [*value; 16]).collect();
    assert_eq!((counted, deleted), (expected, 16));
}

#[tokio::test]
async fn a_wrong_owner_is_followed_to_the_right_one() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let c = Node::start(settings("c")).await;
    // c has heard of nothing newer than this; a and b know better.
    let nodes = [("a", &*a.address), ("b", &*b.address), ("c", &*c.address)];
    c.install(&topology(1, &nodes, &all(1, "a")));
    for partition in [1, 3] {
        let key = key_in(partition, 0);
        assert!(
            c.client.clone().set(set(&key, "v")).await.is_err(),
            "epochs are the same"
        );
    }
    let mut owned = all(1, "a");
    owned[1] = (7, "b");
    a.install(&topology(2, &nodes, &owned));
    let key = key_in(1, 0);
    assert!(
        c.client
            .clone()
            .set(set(&key, "v"))
            .await
            .unwrap()
            .into_inner()
            .applied
    );
    let hit = b.client.clone().get(get(&key)).await.unwrap().into_inner();
    assert_eq!(&hit.value[..], b"v");
    let mget = v1::MGetRequest {
        keys: vec![key],
        ..Default::default()
    };
    let entries = c
        .client
        .clone()
        .m_get(mget)
        .await
        .unwrap()
        .into_inner()
        .entries;
    assert_eq!(&entries[0].value[..], b"v");
}

#[tokio::test]
async fn nobody_owns_it_is_said_soon() {
    let limits = Limits {
        owner_wait: Duration::from_millis(20),
        ..Limits::default()
    };
    let node = Node::start(Settings {
        limits,
        ..settings("a")
    })
    .await;
    let no_owner = || Said(Unavailable, "NO_OWNER", "NOT_APPLIED");
    let key = key_in(2, 0);
    let status = node.client.clone().get(get(&key)).await.unwrap_err();
    assert_eq!(said(&status), no_owner());
    node.install(&topology(1, &[("a", &node.address)], &all(1, "a")));
    let routed = v1::GetRequest {
        routed: true,
        ..get(&key)
    };
    let status = node.client.clone().get(routed).await.unwrap_err();
    assert_eq!(said(&status), no_owner(), "it is this node's and not open");
}

#[tokio::test]
async fn an_owner_that_is_gone_has_applied_nothing() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(1, 0);
    a.client.clone().set(set(&key, "v")).await.unwrap();
    b.plane.stop(Duration::from_secs(5)).await;
    let status = a.client.clone().set(set(&key, "w")).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(Unavailable, "FORWARD_FAILED", "NOT_APPLIED")
    );

    let mget = v1::MGetRequest {
        keys: keys(),
        ..Default::default()
    };
    let entries = a
        .client
        .clone()
        .m_get(mget)
        .await
        .unwrap()
        .into_inner()
        .entries;
    for (partition, entry) in entries.iter().enumerate() {
        let expected = if partition % 2 == 0 {
            v1::Status::Miss
        } else {
            v1::Status::Failed
        };
        assert_eq!(entry.status(), expected, "partition {partition}");
    }
    let del = v1::DelRequest {
        keys: keys(),
        ..Default::default()
    };
    let status = a.client.clone().del(del).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(Unavailable, "FORWARD_FAILED", "MAYBE_APPLIED")
    );
}

/// Accepts connections and never says a word.
async fn silent_listener() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn an_owner_that_does_not_answer_may_have_applied() {
    let (_listener, silent) = silent_listener().await;
    let limits = Limits {
        default_deadline: Duration::from_millis(100),
        ..Limits::default()
    };
    let node = Node::start(Settings {
        limits,
        ..settings("a")
    })
    .await;
    node.install(&topology(
        1,
        &[("a", &node.address), ("b", &silent)],
        &all(1, "b"),
    ));
    let mut client = node.client.clone();
    let key = key_in(1, 0);
    let told = |outcome| Said(DeadlineExceeded, "DEADLINE_EXCEEDED", outcome);
    let status = client.set(set(&key, "v")).await.unwrap_err();
    assert_eq!(said(&status), told("MAYBE_APPLIED"));
    let status = client.get(get(&key)).await.unwrap_err();
    assert_eq!(said(&status), told("NOT_APPLIED"));
    let del = v1::DelRequest {
        keys: vec![key.clone()],
        ..Default::default()
    };
    assert_eq!(
        said(&client.del(del).await.unwrap_err()),
        told("MAYBE_APPLIED")
    );
    let mget = v1::MGetRequest {
        keys: vec![key],
        ..Default::default()
    };
    let entry = client
        .m_get(mget)
        .await
        .unwrap()
        .into_inner()
        .entries
        .remove(0);
    assert_eq!(entry.error.unwrap().metadata["outcome"], "NOT_APPLIED");
}
