//! Fills over several nodes, and of many callers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shoal_protos::v1;

use crate::fills::{
    LONG_MS, SOON, answer, ask, ask_apart, count, filling, token, void, waiters, with_token,
};
use crate::support::{Node, PARTITIONS, Pair, client, eventually, key_in, said, set};

const KEY: Bytes = Bytes::from_static(b"product:42");

#[tokio::test]
async fn any_node_takes_part_and_gives_back_what_its_callers_held() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(0, 0);
    let holder = client(&b.address).await;
    let first = token(&holder, filling(&key, LONG_MS, LONG_MS)).await;
    let mut second = client(&b.address).await;
    let request = filling(&key, LONG_MS, LONG_MS);
    let asked = tokio::spawn(async move {
        let next = second.get(request).await.unwrap().into_inner();
        (next, second)
    });
    waiters(a, 1).await;
    let third = ask_apart(&b.address, filling(&key, LONG_MS, LONG_MS));
    // The holder has asked once, the second for itself and to wait for both.
    let has_asked = || b.plane.stats().forwarded == 4;
    eventually("the third waits at its own node", has_asked).await;
    assert_eq!(count(a, "waiters"), 1);
    drop(holder);
    let (next, mut second) = tokio::time::timeout(SOON, asked).await.unwrap().unwrap();
    assert!(!next.fill_token.is_empty());
    let refused = second.set(with_token(&key, "old", &first)).await;
    assert_eq!(said(&refused.unwrap_err()), void());
    let stored = second.set(with_token(&key, "v", &next.fill_token)).await;
    assert!(stored.unwrap().into_inner().applied);
    assert_eq!(&answer(third).await.value[..], b"v");
}

#[tokio::test]
async fn the_end_of_a_wait_is_told_through_another_node_too() {
    let pair = Pair::start().await;
    let key = key_in(0, 0);
    let _token = token(&pair.nodes[0].client, filling(&key, LONG_MS, 0)).await;
    let miss = ask(&pair.nodes[1].client, filling(&key, LONG_MS, 50)).await;
    assert_eq!(miss.status(), v1::Status::Miss);
    assert!(miss.fill_token.is_empty());
}

#[tokio::test]
async fn who_waits_goes_on_at_the_new_owner() {
    let pair = Pair::start().await;
    let [a, b] = &pair.nodes;
    let key = key_in(4, 0);
    let old = token(&a.client, filling(&key, LONG_MS, LONG_MS)).await;
    // Whichever is given the next token must not vanish: its connection stays.
    let asks = || {
        let (address, request) = (a.address.clone(), filling(&key, LONG_MS, LONG_MS));
        tokio::spawn(async move {
            let mut connection = client(&address).await;
            let told = connection.get(request).await.unwrap().into_inner();
            (told, connection)
        })
    };
    let first = asks();
    waiters(a, 1).await;
    let second = asks();
    waiters(a, 2).await;
    a.plane.freeze_partition(4).unwrap();
    a.plane.close_partition(4).unwrap();
    b.plane.open_partition(4, 2, "c-1").unwrap();
    let owned: Vec<(u64, &str)> = (0..PARTITIONS)
        .map(|p| match p {
            4 => (2, "b"),
            _ => (1, ["a", "b"][(p % 2) as usize]),
        })
        .collect();
    let topology = pair.topology(2, &owned);
    a.install(&topology);
    b.install(&topology);
    waiters(b, 1).await;
    assert_eq!((count(a, "leases"), count(a, "waiters")), (0, 0));
    // One of the two who waited loads now, the other waits on.
    let refused = b.client.clone().set(with_token(&key, "old", &old)).await;
    assert_eq!(said(&refused.unwrap_err()), void());
    b.client.clone().set(set(&key, "v")).await.unwrap();
    let (one, _connection) = tokio::time::timeout(SOON, first).await.unwrap().unwrap();
    let (other, _connection) = tokio::time::timeout(SOON, second).await.unwrap().unwrap();
    let values = [&one, &other].map(|told| told.status());
    assert!(values.contains(&v1::Status::Hit) && values.contains(&v1::Status::Miss));
}

/// A thousand callers over twenty connections miss a key at once. (Ten thousand are more
/// than clients of this kind can be in one process: see `tests/cluster/test_crowd.py`.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_costs_one_load() {
    const CONNECTIONS: usize = 20;
    const CALLERS: usize = 50;
    const LOAD: Duration = Duration::from_millis(1500);
    let node = Node::alone().await;
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = client(&node.address).await;
        for _ in 0..CALLERS {
            let mut client = client.clone();
            callers.push(tokio::spawn(async move {
                let request = filling(&KEY, LONG_MS, LONG_MS);
                let told = client.get(request).await.unwrap().into_inner();
                if told.fill_token.is_empty() {
                    return (told, Instant::now(), None);
                }
                tokio::time::sleep(LOAD).await;
                let token = &told.fill_token;
                let loaded = Instant::now();
                client.set(with_token(&KEY, "v", token)).await.unwrap();
                (told, Instant::now(), Some(loaded))
            }));
        }
    }
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    let loads: Vec<Instant> = answers.iter().filter_map(|it| it.2).collect();
    assert_eq!(loads.len(), 1, "one loads");
    let hits = answers.iter().filter(|it| &it.0.value[..] == b"v").count();
    assert_eq!(hits, CONNECTIONS * CALLERS - 1);
    let last = answers.iter().map(|it| it.1).max().unwrap();
    let after = last.saturating_duration_since(loads[0]);
    println!(
        "the last of {} callers had it {after:?} after the load",
        answers.len()
    );
    assert!(after < Duration::from_secs(5), "{after:?}");
}
