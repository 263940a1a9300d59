//! Answers that wait for other copies, and answers of other copies than the primary.

use std::time::Duration;

use shoal_protos::v1;
use shoal_server::Limits;
use tonic::Code::{FailedPrecondition, Unavailable};

use crate::copies::{Copies, P, any, del, patient};
use crate::fills::{LONG_MS, answer, ask_apart, count, filling, token, waiters, with_token};
use crate::proxy::Proxy;
use crate::support::{Said, eventually, get, key_in, said, set};

#[tokio::test]
async fn in_sync_writes_wait_for_every_required_copy() {
    let copies = Copies::start(3, patient()).await;
    let a = &copies.nodes[0];
    let proxy = Proxy::to(&a.address).await;
    copies.catch_up(1, 0, 1).await;
    copies.follow(2, 0, &proxy.address, 1);
    copies.caught_up(2, 0).await;
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    copies.caught_up(2, 0).await;
    copies.require(0, &[1, 2]);
    let deleted = a.client.clone().del(del(0)).await.unwrap().into_inner();
    assert_eq!(deleted.deleted, 1);
    for follower in &copies.nodes[1..] {
        assert_eq!(
            follower.own(0).await.status(),
            v1::Status::Miss,
            "who was told that it is gone finds it nowhere"
        );
    }
    proxy.hold();
    let before = a.copy().position.seq;
    let mut client = a.client.clone();
    let waits = tokio::spawn(async move { client.del(del(1)).await });
    let b = &copies.nodes[1];
    eventually("b has it", || b.copy().position.seq == before + 1).await;
    // PRIMARY goes on meanwhile, and is seen at once.
    a.write(2, "w").await;
    let read = a.client.clone().get(get(&key_in(P, 2))).await.unwrap();
    assert_eq!(&read.into_inner().value[..], b"w");
    assert!(!waits.is_finished());
    proxy.pass();
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_waits_for_a_load_is_shown_it_once_it_is_confirmed() {
    let copies = Copies::start(2, patient()).await;
    let a = &copies.nodes[0];
    let proxy = Proxy::to(&a.address).await;
    a.write(1, "v").await;
    copies.follow(1, 0, &proxy.address, 1);
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    let key = key_in(P, 0);
    let token = token(&a.client, filling(&key, LONG_MS, LONG_MS)).await;
    let mut asked = ask_apart(&a.address, filling(&key, LONG_MS, LONG_MS));
    waiters(a, 1).await;
    proxy.hold();
    let fill = v1::SetRequest {
        ack: v1::Ack::InSync as i32,
        ..with_token(&key, "loaded", &token)
    };
    let mut client = a.client.clone();
    let stored = tokio::spawn(async move { client.set(fill).await });
    eventually("it is on the primary", || count(a, "stored") == 1).await;
    let early = tokio::time::timeout(Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "a failover could still take it back");
    assert!(!stored.is_finished());
    proxy.pass();
    assert!(stored.await.unwrap().unwrap().into_inner().applied);
    assert_eq!(&answer(asked).await.value[..], b"loaded");
}

#[tokio::test]
async fn a_copy_that_is_away_leaves_in_sync_writes_unknown_and_their_keys_unread() {
    let limits = Limits {
        in_sync_wait: Duration::from_millis(100),
        ..patient()
    };
    let copies = Copies::start(2, limits).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    a.write(1, "v").await;
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    proxy.cut();
    let mut client = a.client.clone();
    let unknown = client.del(del(0)).await.unwrap_err();
    assert_eq!(
        said(&unknown),
        Said(Unavailable, "NOT_REPLICATED", "MAYBE_APPLIED")
    );
    let unread = client.get(get(&key_in(P, 0))).await.unwrap_err();
    assert_eq!(
        said(&unread),
        Said(Unavailable, "NOT_REPLICATED", "NOT_APPLIED"),
        "it may still be lost"
    );
    let other = client.get(get(&key_in(P, 1))).await.unwrap().into_inner();
    assert_eq!(&other.value[..], b"v", "other keys are read");
    let batch = v1::MGetRequest {
        keys: vec![key_in(P, 1), key_in(P, 0)],
        ..Default::default()
    };
    let entries = client.m_get(batch).await.unwrap().into_inner().entries;
    assert_eq!(entries[0].status(), v1::Status::Hit);
    assert_eq!(entries[1].error.as_ref().unwrap().reason, "NOT_REPLICATED");
    // Left out, by a confirmed change of the record: then it counts.
    let copy_id = b.copy().copy_id;
    copies.require(0, &[]);
    let gone = client.get(get(&key_in(P, 0))).await.unwrap().into_inner();
    assert_eq!(gone.status(), v1::Status::Miss);
    assert!(
        !a.copy()
            .followers
            .iter()
            .any(|it| it.is_streaming && it.copy_id == copy_id)
    );
}

#[tokio::test]
async fn with_too_few_copies_in_sync_writes_are_refused_before_they_are_applied() {
    let copies = Copies::start(2, patient()).await;
    let [a, _] = &copies.nodes[..] else { panic!() };
    a.plane.set_min_in_sync(2);
    copies.catch_up(1, 0, 1).await;
    copies.require(0, &[]);
    let refused = a.client.clone().del(del(0)).await.unwrap_err();
    assert_eq!(
        said(&refused),
        Said(Unavailable, "TOO_FEW_COPIES", "NOT_APPLIED")
    );
    assert_eq!(a.copy().position.seq, 0, "nothing was applied");
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    a.client.clone().del(del(0)).await.unwrap();
}

#[tokio::test]
async fn at_least_waits_for_the_copy_or_asks_the_primary() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    proxy.hold();
    let newest = a.write(0, "w").await.version;
    let stale = b.own(0).await;
    assert_eq!(&stale.value[..], b"v", "ANY alone answers what is here");
    let asked = v1::GetRequest {
        at_least: newest,
        routed: false,
        ..any(&key_in(P, 0))
    };
    let mut client = b.client.clone();
    let forwarded = client.get(asked.clone()).await.unwrap().into_inner();
    assert_eq!(
        (&forwarded.value[..], forwarded.maybe_stale),
        (&b"w"[..], false)
    );
    let routed = v1::GetRequest {
        routed: true,
        ..asked.clone()
    };
    let status = client.get(routed.clone()).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
    );
    let batch = v1::MGetRequest {
        keys: vec![key_in(P, 0), key_in(P, 9)],
        read: v1::ReadMode::Any as i32,
        at_least: vec![newest.unwrap(), v1::Version::default()],
        routed: false,
    };
    let entries = client.m_get(batch).await.unwrap().into_inner().entries;
    assert_eq!(&entries[0].value[..], b"w");
    proxy.pass();
    copies.caught_up(1, 0).await;
    let own = client.get(routed).await.unwrap().into_inner();
    assert_eq!((&own.value[..], own.maybe_stale), (&b"w"[..], true));
}

#[tokio::test]
async fn a_batch_is_answered_once_all_of_it_is_confirmed() {
    let copies = Copies::start(2, patient()).await;
    let [a, _] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    proxy.hold();
    use v1::operation::Operation::{Del, Get, Set};
    let operations = [
        Set(set(&key_in(P, 1), "w")),
        Del(del(0)),
        Get(get(&key_in(P, 0))),
        Get(get(&key_in(P, 1))),
    ];
    let request = v1::ExecuteRequest {
        id: 7,
        operations: operations
            .map(|operation| v1::Operation {
                operation: Some(operation),
            })
            .to_vec(),
        routed: false,
    };
    let before = a.copy().position.seq;
    let mut client = a.client.clone();
    let answer = tokio::spawn(async move {
        let mut answers = client
            .execute(tokio_stream::once(request))
            .await
            .unwrap()
            .into_inner();
        answers.message().await.unwrap().unwrap()
    });
    eventually("it is applied", || a.copy().position.seq == before + 2).await;
    assert!(!answer.is_finished());
    proxy.pass();
    let answer = answer.await.unwrap();
    assert_eq!(answer.id, 7);
    use v1::result::Result as R;
    let results: Vec<_> = answer.results.into_iter().map(|it| it.result).collect();
    assert!(matches!(&results[0], Some(R::Set(it)) if it.applied));
    assert!(matches!(&results[1], Some(R::Del(it)) if it.deleted == 1));
    assert!(matches!(&results[2], Some(R::Get(it)) if it.status() == v1::Status::Miss));
    assert!(matches!(&results[3], Some(R::Get(it)) if &it.value[..] == b"w"));
}
