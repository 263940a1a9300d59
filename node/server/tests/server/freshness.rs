//! Values that are fresh for a while, over the wire.

use bytes::Bytes;
use shoal_protos::v1;
use tonic::Code::InvalidArgument;

use crate::fills::{LONG_MS, SOON, answer, ask, ask_apart, filling, void, waiters, with_token};
use crate::support::{Client, Node, Pair, Said, client, eventually, get, key_in, said, set};

const KEY: Bytes = Bytes::from_static(b"product:42");

fn soon_stale(key: &Bytes) -> v1::SetRequest {
    v1::SetRequest {
        fresh_ms: 1,
        ttl_ms: LONG_MS,
        ..set(key, "old")
    }
}

/// Stores a value, and waits until it is stale.
async fn stale(client: &Client, set: v1::SetRequest) {
    let key = set.key.clone();
    client.clone().set(set).await.unwrap();
    let deadline = tokio::time::Instant::now() + SOON;
    while ask(client, get(&key)).await.fresh_ms > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

/// What is answered, and whether with a token.
fn told(answer: &v1::GetResponse) -> (v1::Status, &[u8], bool) {
    let has_token = !answer.fill_token.is_empty();
    (answer.status(), &answer.value, has_token)
}

#[tokio::test]
async fn one_refreshes_what_is_stale_and_nobody_waits() {
    let node = Node::alone().await;
    stale(&node.client, soon_stale(&KEY)).await;
    let found = ask(&node.client, get(&KEY)).await;
    assert_eq!(told(&found), (v1::Status::Stale, &b"old"[..], false));
    assert!(found.ttl_ms > 0 && found.fresh_ms == 0);
    let first = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&first), (v1::Status::Stale, &b"old"[..], true));
    for _ in 0..2 {
        let other = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
        assert_eq!(told(&other), (v1::Status::Stale, &b"old"[..], false));
    }
    let fresh = v1::SetRequest {
        fresh_ms: LONG_MS,
        ttl_ms: LONG_MS,
        ..with_token(&KEY, "new", &first.fill_token)
    };
    node.client.clone().set(fresh).await.unwrap();
    let found = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&found), (v1::Status::Hit, &b"new"[..], false));
    assert!(found.fresh_ms > 0 && found.fresh_ms <= LONG_MS);
}

#[tokio::test]
async fn a_refresher_that_is_gone_is_followed_through_any_node() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(0, 0);
    stale(&a.client, soon_stale(&key)).await;
    let holder = client(&b.address).await;
    let first = ask(&holder, filling(&key, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&first), (v1::Status::Stale, &b"old"[..], true));
    let other = ask(&b.client, filling(&key, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&other), (v1::Status::Stale, &b"old"[..], false));
    drop(holder);
    // Its end is noticed, and given back by the node that it came through.
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let next = ask(&b.client, filling(&key, LONG_MS, LONG_MS)).await;
        if told(&next).2 {
            assert_ne!(next.fill_token, first.fill_token);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    let refused = a
        .client
        .clone()
        .set(with_token(&key, "late", &first.fill_token))
        .await;
    assert_eq!(said(&refused.unwrap_err()), void());
}

#[tokio::test]
async fn a_failed_origin_is_left_alone_and_the_value_served() {
    let node = Node::alone().await;
    stale(&node.client, soon_stale(&KEY)).await;
    let first = ask(&node.client, filling(&KEY, LONG_MS, 0)).await;
    let failed = v1::ReleaseFillRequest {
        key: KEY,
        fill_token: first.fill_token,
        failed: true,
        backoff_ms: LONG_MS,
        ..Default::default()
    };
    let released = node.client.clone().release_fill(failed.clone()).await;
    assert!(released.unwrap().into_inner().released);
    let found = ask(&node.client, filling(&KEY, LONG_MS, 0)).await;
    assert_eq!(told(&found), (v1::Status::Stale, &b"old"[..], false));
    let too_long = v1::ReleaseFillRequest {
        backoff_ms: 600_001,
        ..failed
    };
    let refused = node.client.clone().release_fill(too_long).await;
    assert_eq!(
        said(&refused.unwrap_err()),
        Said(InvalidArgument, "OVERFLOW", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn who_takes_fresh_values_alone_waits_for_the_one_who_loads() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(0, 0);
    stale(&a.client, soon_stale(&key)).await;
    let first = ask(&a.client, filling(&key, LONG_MS, 0)).await;
    let fresh_only = |wait_ms| {
        let mut asked = filling(&key, LONG_MS, wait_ms);
        asked.fill.as_mut().unwrap().fresh_only = true;
        asked
    };
    let found = ask(&b.client, fresh_only(0)).await;
    assert_eq!(told(&found), (v1::Status::Stale, &b"old"[..], false));
    let waiting = [a, b].map(|node| ask_apart(&node.address, fresh_only(LONG_MS)));
    waiters(a, 2).await;
    let stored = with_token(&key, "new", &first.fill_token);
    a.client.clone().set(stored).await.unwrap();
    for asked in waiting {
        let found = answer(asked).await;
        assert_eq!(told(&found), (v1::Status::Hit, &b"new"[..], false));
    }
}

#[tokio::test]
async fn a_copy_leaves_it_to_the_owner_to_say_who_refreshes() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(0, 0);
    stale(&a.client, soon_stale(&key)).await;
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..filling(&key, LONG_MS, 0)
    };
    for (node, has_token) in [(b, true), (a, false)] {
        let found = ask(&node.client, any.clone()).await;
        assert_eq!(told(&found), (v1::Status::Stale, &b"old"[..], has_token));
    }
}

#[tokio::test]
async fn known_absent_values_are_refreshed_too() {
    let node = Node::alone().await;
    let absent = v1::SetRequest {
        absent: true,
        value: Bytes::new(),
        ..soon_stale(&KEY)
    };
    stale(&node.client, absent).await;
    let first = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&first), (v1::Status::Absent, &b""[..], true));
    let other = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    assert_eq!(told(&other), (v1::Status::Absent, &b""[..], false));
}

#[tokio::test]
async fn times_that_cannot_be_meant_are_refused() {
    let node = Node::alone().await;
    let mut client = node.client.clone();
    let later_than_its_end = v1::SetRequest {
        fresh_ms: 11,
        ttl_ms: 10,
        ..set(&KEY, "v")
    };
    let refused = client.set(later_than_its_end).await.unwrap_err();
    let expected = Said(InvalidArgument, "BAD_CONDITION", "NOT_APPLIED");
    assert_eq!(said(&refused), expected);
    assert!(refused.message().contains("fresh_ms"));
    for beta in [-1.0, 101.0, f64::NAN] {
        let mut asked = filling(&KEY, 1, 0);
        asked.fill.as_mut().unwrap().beta = Some(beta);
        let refused = client.get(asked).await.unwrap_err();
        assert_eq!(
            said(&refused),
            Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
        );
    }
    // Without an end it may be fresh for as long as one likes.
    let endless = v1::SetRequest {
        fresh_ms: 11,
        ..set(&KEY, "v")
    };
    client.set(endless).await.unwrap();
    eventually("it is counted", || node.plane.stats().entries == 1).await;
}
