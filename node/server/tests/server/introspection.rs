//! What a node tells of its own work, against a sequence that is known.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use shoal_protos::v1::operation::Operation;
use shoal_server::{DataPlane, Eviction, Limits, Settings, Snapshot, boottime_ns};

use crate::support::{Node, PARTITIONS, Pair, eventually, get, key_in, set, settings, stream_raw};

fn key(name: &'static str) -> Bytes {
    Bytes::from_static(name.as_bytes())
}

fn operations(snapshot: &Snapshot) -> BTreeMap<(&str, &str), u64> {
    let counts = snapshot.operations.iter();
    counts
        .filter(|(_, _, count)| *count > 0)
        .map(|(operation, outcome, count)| ((*operation, *outcome), *count))
        .collect()
}

fn requests(snapshot: &Snapshot) -> BTreeMap<&str, u64> {
    let counts = snapshot.stats.requests.iter();
    counts.filter(|(_, count)| *count > 0).copied().collect()
}

/// Every request that has a duration has exactly one.
fn check_durations(snapshot: &Snapshot) {
    for method in &snapshot.durations {
        let asked = snapshot.stats.requests.iter();
        let asked = asked.clone().find(|(name, _)| *name == method.method);
        assert_eq!(
            Some(method.count),
            asked.map(|(_, count)| *count),
            "{method:?}"
        );
        let below = method.buckets.iter().map(|(_, count)| *count);
        assert!(below.clone().is_sorted() && below.max() <= Some(method.count));
        assert!(method.p50_ns <= method.p99_ns && method.p99_ns <= method.p999_ns);
        assert!(method.p999_ns <= method.max_ns);
    }
}

#[tokio::test]
async fn every_method_and_every_outcome_is_counted_exactly() {
    let mut node = Node::alone().await;
    let client = &mut node.client;
    // One hit, one miss, one that is known to be absent, one key too many bytes.
    client.set(set(&key("a"), "1")).await.unwrap();
    client.get(get(&key("a"))).await.unwrap();
    client.get(get(&key("b"))).await.unwrap();
    let absent = v1::SetRequest {
        key: key("c"),
        absent: true,
        ..Default::default()
    };
    client.set(absent).await.unwrap();
    client.get(get(&key("c"))).await.unwrap();
    client.get(get(&Bytes::new())).await.unwrap_err();
    // A condition that does not hold.
    let unless = v1::SetRequest {
        condition: Some(v1::Condition {
            test: Some(v1::condition::Test::IfAbsent(true)),
        }),
        ..set(&key("a"), "2")
    };
    assert!(!client.set(unless).await.unwrap().into_inner().applied);
    // One sum, and one of what is no number.
    let incr = |name| v1::IncrRequest {
        key: key(name),
        ..Default::default()
    };
    client.incr(incr("n")).await.unwrap();
    client.set(set(&key("text"), "x")).await.unwrap();
    client.incr(incr("text")).await.unwrap_err();
    let touch = |name| v1::TouchRequest {
        key: key(name),
        ttl_ms: 60_000,
        ..Default::default()
    };
    client.touch(touch("a")).await.unwrap();
    client.touch(touch("nothing")).await.unwrap();
    // Batches count each key.
    let mget = v1::MGetRequest {
        keys: vec![key("a"), key("b"), key("text")],
        ..Default::default()
    };
    client.m_get(mget).await.unwrap();
    let mset = v1::MSetRequest {
        entries: vec![set(&key("x"), "1"), set(&key("y"), "2")],
        ..Default::default()
    };
    client.m_set(mset).await.unwrap();
    let del = v1::DelRequest {
        keys: vec![key("x"), key("z")],
        ..Default::default()
    };
    client.del(del.clone()).await.unwrap();
    let execute = v1::ExecuteRequest {
        id: 1,
        operations: [Operation::Get(get(&key("y"))), Operation::Del(del)]
            .map(|it| v1::Operation {
                operation: Some(it),
            })
            .to_vec(),
        routed: false,
    };
    let message = Bytes::from(execute.encode_to_vec());
    stream_raw(&node.address, "/shoal.v1.Cache/Execute", vec![message; 3]).await;
    let tag = v1::InvalidateTagRequest::default();
    client.invalidate_tag(tag).await.unwrap_err();

    let snapshot = node.plane.snapshot();
    let expected = BTreeMap::from([
        (("get", "hit"), 1 + 2 + 3),
        (("get", "miss"), 1 + 1),
        (("get", "absent"), 1),
        (("set", "applied"), 3 + 2),
        (("set", "not_applied"), 1),
        (("incr", "applied"), 1),
        (("incr", "failed"), 1),
        (("touch", "applied"), 1),
        (("touch", "not_applied"), 1),
        (("del", "applied"), 1),
        (("del", "not_applied"), 1 + 3 * 2),
    ]);
    assert_eq!(operations(&snapshot), expected);
    let expected = BTreeMap::from([
        ("Get", 4),
        ("Set", 4),
        ("Incr", 2),
        ("Touch", 2),
        ("MGet", 1),
        ("MSet", 1),
        ("Del", 1),
        ("Execute", 3),
        ("InvalidateTag", 1),
    ]);
    assert_eq!(requests(&snapshot), expected);
    check_durations(&snapshot);
    // The engine counts reads too; an absent marker is there.
    assert_eq!((snapshot.stats.hits, snapshot.stats.misses), (7, 2));
    let of_partitions = |count: fn(&shoal_server::PartitionStats) -> u64| -> u64 {
        snapshot.partitions.iter().map(count).sum()
    };
    assert_eq!(snapshot.partitions.len(), PARTITIONS as usize);
    assert_eq!(of_partitions(|it| it.hits), 7);
    assert_eq!(of_partitions(|it| it.entries), snapshot.stats.entries);
}

#[tokio::test]
async fn past_the_fence_reads_are_stale_and_writes_fail() {
    let mut node = Node::alone().await;
    node.client.set(set(&key("a"), "1")).await.unwrap();
    node.plane.set_lease_deadline(boottime_ns() - 1);
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..get(&key("a"))
    };
    node.client.get(any).await.unwrap();
    node.client.set(set(&key("a"), "2")).await.unwrap_err();
    let snapshot = node.plane.snapshot();
    let expected = [
        (("get", "stale"), 1),
        (("set", "applied"), 1),
        (("set", "failed"), 1),
    ];
    assert_eq!(operations(&snapshot), BTreeMap::from(expected));
}

#[tokio::test]
async fn what_another_node_answers_is_a_request_here_and_an_operation_there() {
    let mut pair = Pair::start().await;
    let key = key_in(1, 0);
    pair.nodes[0].client.set(set(&key, "v")).await.unwrap();
    pair.nodes[0].client.get(get(&key)).await.unwrap();
    let [here, there] = [0, 1].map(|node: usize| pair.nodes[node].plane.snapshot());
    assert_eq!(requests(&here), BTreeMap::from([("Get", 1), ("Set", 1)]));
    assert!(operations(&here).is_empty());
    let expected = [(("get", "hit"), 1), (("set", "applied"), 1)];
    assert_eq!(operations(&there), BTreeMap::from(expected));
    check_durations(&here);
    check_durations(&there);
    let forwarded = here.durations.iter().find(|it| it.method == "Get").unwrap();
    assert!(forwarded.max_ns > 1000, "it waited for the other node");
}

#[tokio::test]
async fn slow_requests_are_kept_with_their_keys() {
    let limits = Limits {
        frozen_wait: Duration::from_millis(150),
        ..Limits::default()
    };
    let mut node = Node::alone_with(limits).await;
    let key = key_in(3, 0);
    node.plane.set_slow_threshold(Duration::from_millis(100));
    node.client.set(set(&key, "v")).await.unwrap();
    node.plane.freeze_partition(3).unwrap();
    node.client.get(get(&key)).await.unwrap_err();
    let mget = v1::MGetRequest {
        keys: vec![key.clone(), key.clone()],
        ..Default::default()
    };
    node.client.m_get(mget).await.unwrap();
    let slow = node.plane.snapshot().slow;
    let [batch, single] = &slow.requests[..] else {
        panic!("two were slow: {slow:?}")
    };
    assert_eq!((slow.total, slow.threshold_ns), (2, 100_000_000));
    assert_eq!((single.method, single.keys), ("Get", 1));
    assert_eq!((&single.key, single.partition), (&key, Some(3)));
    assert_eq!(single.key_bytes, key.len() as u64);
    assert!(single.duration_ns >= 100_000_000 && single.unix_ms > 1_600_000_000_000);
    assert_eq!(
        (batch.method, batch.keys, batch.partition),
        ("MGet", 2, None)
    );
    assert!(batch.key.is_empty() && batch.number == 2);
}

#[tokio::test]
async fn the_biggest_and_the_hottest_keys_are_told_and_leave() {
    let mut node = Node::alone().await;
    for number in 0..100_u32 {
        let big = v1::SetRequest {
            key: key_in(0, number),
            value: vec![b'v'; 1000 + number as usize].into(),
            ..Default::default()
        };
        node.client.set(big).await.unwrap();
    }
    let biggest = key_in(0, 99);
    for _ in 0..2000 {
        node.client.get(get(&biggest)).await.unwrap();
    }
    let snapshot = node.plane.snapshot();
    assert_eq!(snapshot.big.keys[0].key, biggest);
    assert_eq!(snapshot.big.keys[0].bytes, 1099 + biggest.len() as u64);
    assert!(snapshot.big.keys.iter().all(|it| it.partition == 0));
    assert_eq!(snapshot.hot.keys[0].key, biggest);
    assert!(snapshot.hot.keys[0].reads_part > 0.9 && snapshot.hot.keys[0].per_second > 0.0);
    let del = v1::DelRequest {
        keys: vec![biggest.clone()],
        ..Default::default()
    };
    node.client.del(del).await.unwrap();
    let big = node.plane.snapshot().big;
    assert_eq!(big.keys[0].key, key_in(0, 98));
    node.plane.close_partition(0).unwrap();
    assert!(node.plane.snapshot().big.keys.is_empty());
}

#[tokio::test]
async fn memory_is_told_by_kind_and_adds_up() {
    let mut node = Node::alone().await;
    for number in 0..50 {
        let entry = v1::SetRequest {
            ttl_ms: 60_000,
            ..set(&key_in(number % PARTITIONS, number), "value")
        };
        node.client.set(entry).await.unwrap();
    }
    let snapshot = node.plane.snapshot();
    let kinds: BTreeMap<&str, u64> = snapshot.memory.iter().copied().collect();
    let beside = ["connections", "introspection"];
    let of_engine = kinds.iter().filter(|(kind, _)| !beside.contains(*kind));
    let sum: u64 = of_engine.map(|(_, bytes)| bytes).sum();
    assert_eq!(sum, snapshot.stats.memory_bytes);
    assert!(kinds["keys_and_values"] >= 50 * 5 && kinds["expiry"] > 0 && kinds["index"] > 0);
    assert!(
        kinds["introspection"] < 8 << 20,
        "fixed, and small: {kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn snapshots_are_true_while_threads_write() {
    const EACH: u64 = 500;
    let node = Node::alone().await;
    let mut writers = Vec::new();
    for writer in 0..4_u32 {
        let mut client = node.client.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                let key = Bytes::from(format!("{writer}:{number}"));
                client.set(set(&key, "v")).await.unwrap();
                client.get(get(&key)).await.unwrap();
            }
        }));
    }
    let mut last = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let snapshot = node.plane.snapshot();
        let hits = snapshot.partitions.iter().map(|it| it.hits).sum::<u64>();
        assert_eq!(
            hits, snapshot.stats.hits,
            "the sum is of these very partitions"
        );
        let sum: u64 = snapshot.memory.iter().map(|(_, bytes)| bytes).sum();
        assert!(sum >= snapshot.stats.memory_bytes);
        assert!(hits >= last, "counters only rise");
        last = hits;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let snapshot = node.plane.snapshot();
    let expected = [(("get", "hit"), 4 * EACH), (("set", "applied"), 4 * EACH)];
    assert_eq!(operations(&snapshot), BTreeMap::from(expected));
    check_durations(&snapshot);
}

#[tokio::test]
async fn the_eviction_policy_is_changed_while_the_node_serves() {
    let plane = DataPlane::new(Settings {
        maxmemory_bytes: 2 << 20,
        ..settings("a")
    });
    let plane = plane.unwrap();
    let address = plane.start().await.unwrap();
    plane.set_lease_deadline(boottime_ns() + 3_600_000_000_000);
    for partition in 0..PARTITIONS {
        plane.open_partition(partition, 1, "c-1").unwrap();
    }
    let mut client = crate::support::client(&address).await;
    let value = Bytes::from(vec![b'v'; 4000]);
    let entry = |number| v1::SetRequest {
        key: Bytes::from(format!("key:{number}")),
        value: value.clone(),
        ..Default::default()
    };
    for number in 0..1000 {
        client.set(entry(number)).await.unwrap();
    }
    assert!(plane.snapshot().stats.evicted > 0);
    assert_eq!(plane.snapshot().eviction, "s3fifo");
    let entries = plane.snapshot().stats.entries;
    plane.set_eviction(Eviction::None);
    eventually("every partition has switched", || {
        plane.snapshot().switching_partitions == 0
    })
    .await;
    let snapshot = plane.snapshot();
    assert_eq!(
        (snapshot.eviction, snapshot.stats.entries),
        ("none", entries)
    );
    let mut refused = 0;
    for number in 1000..1200 {
        refused += u32::from(client.set(entry(number)).await.is_err());
    }
    assert!(refused > 100, "{refused} of 200");
    plane.set_eviction(Eviction::Lru);
    client.set(entry(2000)).await.unwrap();
    plane.stop(Duration::from_secs(1)).await;
}
