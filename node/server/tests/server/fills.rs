//! Misses that many have at once: one loads, the others wait for it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shoal_protos::v1;
use shoal_protos::v1::operation::Operation;
use shoal_server::Limits;
use tonic::Code::{FailedPrecondition, InvalidArgument, ResourceExhausted};
use tonic::Status;

use crate::support::{Client, Node, PARTITIONS, Said, client, eventually, get, said, set};

const KEY: Bytes = Bytes::from_static(b"product:42");
/// Longer than any test.
pub(crate) const LONG_MS: i64 = 120_000;
/// Sooner than that by far, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn filling(key: &Bytes, lease_ms: i64, wait_ms: i64) -> v1::GetRequest {
    v1::GetRequest {
        fill: Some(v1::Fill {
            lease_ms,
            wait_ms,
            ..Default::default()
        }),
        ..get(key)
    }
}

pub(crate) fn with_token(key: &Bytes, value: &'static str, token: &Bytes) -> v1::SetRequest {
    v1::SetRequest {
        fill_token: token.clone(),
        ..set(key, value)
    }
}

pub(crate) type Asked = tokio::task::JoinHandle<Result<v1::GetResponse, Status>>;

/// Ask over a connection of its own, which ends with the task.
pub(crate) fn ask_apart(address: &str, request: v1::GetRequest) -> Asked {
    let address = address.to_owned();
    tokio::spawn(async move {
        let mut client = client(&address).await;
        client.get(request).await.map(tonic::Response::into_inner)
    })
}

pub(crate) async fn ask(client: &Client, request: v1::GetRequest) -> v1::GetResponse {
    client.clone().get(request).await.unwrap().into_inner()
}

/// The token of a miss that nobody else loads.
pub(crate) async fn token(client: &Client, request: v1::GetRequest) -> Bytes {
    let asked = ask(client, request).await;
    assert_eq!(asked.status(), v1::Status::Miss);
    assert!(!asked.fill_token.is_empty(), "nobody else loads it");
    asked.fill_token
}

/// What became of one who waited.
pub(crate) async fn answer(asked: Asked) -> v1::GetResponse {
    let asked = tokio::time::timeout(SOON, asked).await;
    asked.expect("it is answered").unwrap().unwrap()
}

pub(crate) fn count(node: &Node, name: &str) -> u64 {
    let told = node.plane.snapshot().fills;
    told.iter().find(|(known, _)| *known == name).unwrap().1
}

pub(crate) async fn waiters(node: &Node, expected: u64) {
    eventually("they wait", || count(node, "waiters") == expected).await;
}

pub(crate) fn void() -> Said {
    Said(FailedPrecondition, "FILL_TOKEN_VOID", "NOT_APPLIED")
}

#[tokio::test]
async fn one_loads_and_the_others_are_given_the_value() {
    let node = Node::alone().await;
    let token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let waiting: Vec<Asked> = (0..20)
        .map(|_| ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS)))
        .collect();
    waiters(&node, 20).await;
    let mut storing = node.client.clone();
    let stored = storing.set(with_token(&KEY, "shoes", &token)).await;
    let version = stored.unwrap().into_inner().version;
    for asked in waiting {
        let hit = answer(asked).await;
        assert_eq!(
            (hit.status(), &hit.value[..]),
            (v1::Status::Hit, &b"shoes"[..])
        );
        assert_eq!(hit.version, version);
    }
    let hit = ask(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    assert_eq!(hit.status(), v1::Status::Hit);
    let told = ["leases", "waiters", "given", "passed", "stored"].map(|it| count(&node, it));
    assert_eq!(told, [0, 0, 1, 0, 1]);
    let stats = node.plane.stats();
    assert_eq!((stats.hits, stats.misses), (21, 1));
}

#[tokio::test]
async fn a_known_absent_value_is_one() {
    let node = Node::alone().await;
    let token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    let nothing = v1::SetRequest {
        absent: true,
        ..with_token(&KEY, "", &token)
    };
    node.client.clone().set(nothing).await.unwrap();
    assert_eq!(answer(asked).await.status(), v1::Status::Absent);
}

#[tokio::test]
async fn who_does_not_wait_or_has_waited_long_enough_is_told_of_a_miss() {
    let node = Node::alone().await;
    let token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    for wait_ms in [0, 30] {
        let asked = Instant::now();
        let miss = ask(&node.client, filling(&KEY, LONG_MS, wait_ms)).await;
        assert_eq!(miss.status(), v1::Status::Miss);
        assert!(miss.fill_token.is_empty());
        assert!(asked.elapsed() >= Duration::from_millis(wait_ms as u64));
    }
    assert_eq!(count(&node, "ran_out"), 1);
    node.client
        .clone()
        .set(with_token(&KEY, "v", &token))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_next_in_line_loads_when_the_time_of_the_first_is_over() {
    let node = Node::alone().await;
    let late = token(&node.client, filling(&KEY, 300, LONG_MS)).await;
    let asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    let next = answer(asked).await;
    assert_eq!(next.status(), v1::Status::Miss);
    assert!(!next.fill_token.is_empty() && next.fill_token != late);
    let refused = node
        .client
        .clone()
        .set(with_token(&KEY, "old", &late))
        .await;
    assert_eq!(said(&refused.unwrap_err()), void());
    assert_eq!(
        ask(&node.client, get(&KEY)).await.status(),
        v1::Status::Miss
    );
    let told = ["given", "passed", "void"].map(|it| count(&node, it));
    assert_eq!(told, [1, 1, 1]);
}

#[tokio::test]
async fn what_was_read_before_a_delete_is_not_stored_after_it() {
    let node = Node::alone().await;
    let before = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let mut connection = client(&node.address).await;
    let request = filling(&KEY, LONG_MS, LONG_MS);
    let asked = tokio::spawn(async move {
        let next = connection.get(request).await.unwrap().into_inner();
        (next, connection)
    });
    waiters(&node, 1).await;
    let del = v1::DelRequest {
        keys: vec![KEY],
        ..Default::default()
    };
    node.client.clone().del(del).await.unwrap();
    let (next, mut connection) = tokio::time::timeout(SOON, asked).await.unwrap().unwrap();
    let refused = node
        .client
        .clone()
        .set(with_token(&KEY, "old", &before))
        .await;
    assert_eq!(said(&refused.unwrap_err()), void());
    let stored = connection
        .set(with_token(&KEY, "new", &next.fill_token))
        .await;
    assert!(stored.unwrap().into_inner().applied);
    assert_eq!(&ask(&node.client, get(&KEY)).await.value[..], b"new");
}

#[tokio::test]
async fn whoever_stores_a_value_ends_the_wait() {
    let node = Node::alone().await;
    let before = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    let incr = v1::IncrRequest {
        key: KEY,
        ..Default::default()
    };
    node.client.clone().incr(incr).await.unwrap();
    assert_eq!(&answer(asked).await.value[..], b"1");
    let refused = node
        .client
        .clone()
        .set(with_token(&KEY, "old", &before))
        .await;
    assert_eq!(said(&refused.unwrap_err()), void());
}

#[tokio::test]
async fn tokens_are_good_for_their_key_alone_and_unknown_ones_for_none() {
    let node = Node::alone().await;
    let token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let other = Bytes::from_static(b"{product:42}");
    let mut forged = token.to_vec();
    forged[20] ^= 1;
    for (key, token) in [
        (&other, token.clone()),
        (&KEY, forged.into()),
        (&KEY, Bytes::from_static(b"t")),
    ] {
        let refused = node.client.clone().set(with_token(key, "v", &token)).await;
        assert_eq!(said(&refused.unwrap_err()), void());
    }
    let mut conditional = with_token(&KEY, "v", &token);
    let test = v1::condition::Test::IfAbsent(true);
    conditional.condition = Some(v1::Condition { test: Some(test) });
    let refused = node.client.clone().set(conditional).await.unwrap_err();
    assert_eq!(
        said(&refused),
        Said(InvalidArgument, "BAD_CONDITION", "NOT_APPLIED")
    );
    let applied = node.client.clone().set(with_token(&KEY, "v", &token)).await;
    assert!(applied.unwrap().into_inner().applied);
}

#[tokio::test]
async fn a_lost_connection_passes_on_what_it_held() {
    let node = Node::alone().await;
    let holder = client(&node.address).await;
    let _token = token(&holder, filling(&KEY, LONG_MS, LONG_MS)).await;
    let mut second = client(&node.address).await;
    let request = filling(&KEY, LONG_MS, LONG_MS);
    let asked = tokio::spawn(async move {
        let next = second.get(request).await.unwrap().into_inner();
        (next, second)
    });
    waiters(&node, 1).await;
    drop(holder);
    let (next, second) = tokio::time::timeout(SOON, asked).await.unwrap().unwrap();
    assert!(!next.fill_token.is_empty(), "long before the lease ends");
    drop(second);
    eventually("nobody loads it", || count(&node, "leases") == 0).await;
}

#[tokio::test]
async fn a_token_can_be_given_back() {
    let node = Node::alone().await;
    let first = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    let release = v1::ReleaseFillRequest {
        key: KEY,
        fill_token: first,
        ..Default::default()
    };
    for released in [true, false] {
        let told = node.client.clone().release_fill(release.clone()).await;
        assert_eq!(told.unwrap().into_inner().released, released);
    }
    assert!(!answer(asked).await.fill_token.is_empty());
}

#[tokio::test]
async fn who_gives_up_leaves_the_line() {
    let node = Node::alone().await;
    let _token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let mut shared = client(&node.address).await;
    let mut other = shared.clone();
    let request = filling(&KEY, LONG_MS, LONG_MS);
    let asked = tokio::spawn(async move { other.get(request).await });
    waiters(&node, 1).await;
    asked.abort();
    waiters(&node, 0).await;
    // Its connection stands.
    shared.get(get(&KEY)).await.unwrap();
}

#[tokio::test]
async fn past_a_bound_nobody_waits_or_loads() {
    let node = Node::alone_with(Limits {
        fill_waiters_max: 1,
        fill_leases_max: 1,
        ..Limits::default()
    })
    .await;
    let _token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let _asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    let full = Said(ResourceExhausted, "TOO_MANY_REQUESTS", "NOT_APPLIED");
    for key in [KEY, Bytes::from_static(b"other")] {
        let refused = node
            .client
            .clone()
            .get(filling(&key, LONG_MS, LONG_MS))
            .await;
        assert_eq!(said(&refused.unwrap_err()), full);
    }
    assert_eq!(count(&node, "full"), 2);
}

#[tokio::test]
async fn times_that_cannot_be_meant_are_refused() {
    let node = Node::alone().await;
    for (lease_ms, wait_ms, reason) in [
        (-1, 0, "TTL_NEGATIVE"),
        (0, -1, "TTL_NEGATIVE"),
        (600_001, 0, "OVERFLOW"),
        (0, 600_001, "OVERFLOW"),
    ] {
        let refused = node
            .client
            .clone()
            .get(filling(&KEY, lease_ms, wait_ms))
            .await;
        assert_eq!(
            said(&refused.unwrap_err()),
            Said(InvalidArgument, reason, "NOT_APPLIED")
        );
    }
    token(&node.client, filling(&KEY, 0, 0)).await;
}

#[tokio::test]
async fn batches_take_tokens_and_do_not_wait() {
    let node = Node::alone().await;
    let token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let batch = v1::ExecuteRequest {
        operations: [
            Operation::Get(filling(&KEY, LONG_MS, LONG_MS)),
            Operation::ReleaseFill(v1::ReleaseFillRequest {
                key: Bytes::from_static(b"other"),
                fill_token: token.clone(),
                ..Default::default()
            }),
            Operation::Set(with_token(&KEY, "v", &token)),
        ]
        .map(|operation| v1::Operation {
            operation: Some(operation),
        })
        .into(),
        ..Default::default()
    };
    let mut answers = node
        .client
        .clone()
        .execute(tokio_stream::once(batch))
        .await
        .unwrap()
        .into_inner();
    let results = answers.message().await.unwrap().unwrap().results;
    use v1::result::Result::{Error, ReleaseFill, Set};
    let results: Vec<_> = results.into_iter().map(|it| it.result.unwrap()).collect();
    assert!(matches!(&results[0], Error(error) if error.reason == "MALFORMED_REQUEST"));
    assert!(matches!(&results[1], ReleaseFill(told) if !told.released));
    assert!(matches!(&results[2], Set(stored) if stored.applied));
}

#[tokio::test]
async fn behind_the_fence_nobody_is_told_to_load() {
    let node = Node::alone().await;
    let _token = token(&node.client, filling(&KEY, LONG_MS, LONG_MS)).await;
    let asked = ask_apart(&node.address, filling(&KEY, LONG_MS, LONG_MS));
    waiters(&node, 1).await;
    node.plane.set_lease_deadline(0);
    let refused = node.client.clone().get(filling(&KEY, LONG_MS, 0)).await;
    let expired = Said(tonic::Code::Unavailable, "LEASE_EXPIRED", "NOT_APPLIED");
    assert_eq!(said(&refused.unwrap_err()), expired);
    // Its turn comes, and is not told.
    node.plane
        .close_partition(shoal_server::slot::partition_of(&KEY, PARTITIONS))
        .unwrap();
    let told = tokio::time::timeout(SOON, asked).await.unwrap().unwrap();
    assert_eq!(told.unwrap_err().code(), tonic::Code::Unavailable);
}
