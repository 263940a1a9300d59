//! Copies that follow, catch up, take over and hand over, on loopback.

use std::time::{Duration, Instant};

use shoal_protos::v1;
use shoal_server::{Limits, Role};
use tonic::Code::{FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable};

use crate::copies::{Copies, P, del, patient};
use crate::proxy::Proxy;
use crate::support::{Node, PARTITIONS, Said, channel, eventually, get, key_in, said, set};

#[tokio::test]
async fn a_follower_catches_up_and_goes_on_and_answers_any() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    for n in 0..100 {
        a.write(n, "before").await;
    }
    copies.catch_up(1, 0, 1).await;
    for n in 100..200 {
        a.write(n, "after").await;
    }
    copies.caught_up(1, 0).await;
    for (n, value) in [
        (0, "before"),
        (99, "before"),
        (100, "after"),
        (199, "after"),
    ] {
        let own = b.own(n).await;
        assert_eq!(own.status(), v1::Status::Hit);
        assert_eq!(&own.value[..], value.as_bytes());
        assert!(own.maybe_stale, "a follower's answer says what it is");
        let primary = a.own(n).await;
        assert!(!primary.maybe_stale);
        assert_eq!(own.version, primary.version);
    }
    assert!(b.own(1000).await.maybe_stale, "a miss too");
    let routed = v1::SetRequest {
        routed: true,
        ..set(&key_in(P, 0), "v")
    };
    let status = b.client.clone().set(routed).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
    );
    // Without `routed` it sends on what only the primary may do.
    let read = b.client.clone().get(get(&key_in(P, 0))).await.unwrap();
    assert!(!read.into_inner().maybe_stale);
}

#[tokio::test]
async fn a_short_break_is_made_up_for_without_a_snapshot() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    let begun = a.plane.replication_traffic().snapshots_begun;
    proxy.cut();
    for n in 0..50 {
        a.write(n, "w").await;
    }
    let copy_id = b.copy().copy_id;
    proxy.pass();
    copies.caught_up(1, 0).await;
    assert_eq!(&b.own(49).await.value[..], b"w");
    assert_eq!(a.plane.replication_traffic().snapshots_begun, begun);
    assert_eq!(b.copy().copy_id, copy_id);
}

#[tokio::test]
async fn a_follower_takes_over_with_its_data() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let key = key_in(P, 0);
    copies.catch_up(1, 0, 1).await;
    let first = a.write(0, "v").await;
    let counted = v1::IncrRequest {
        key: key_in(P, 1),
        request_id: "once".into(),
        ..Default::default()
    };
    let mut client = a.client.clone();
    let one = client.incr(counted.clone()).await.unwrap().into_inner();
    assert_eq!(one.value, 1);
    copies.caught_up(1, 0).await;
    a.plane.close_partition(P).unwrap();
    assert!(b.plane.promote_partition(P, 1).is_err(), "no new epoch");
    b.plane.promote_partition(P, 2).unwrap();
    copies.install(2, 2, "b");
    // Nobody has said which copies must have it.
    let mut client = b.client.clone();
    let read = tokio::spawn(async move { client.get(get(&key)).await });
    let mut client = b.client.clone();
    let again = tokio::spawn(async move { client.incr(counted).await });
    b.write(2, "w").await;
    assert!(!read.is_finished() && !again.is_finished());
    b.plane.require_copies(P, &[], 1).unwrap();
    let read = read.await.unwrap().unwrap().into_inner();
    assert_eq!((&read.value[..], read.version), (&b"v"[..], first.version));
    let again = again.await.unwrap().unwrap().into_inner();
    assert_eq!(again, one, "it counts once, across the failover");
    let next = b.write(3, "w").await.version.unwrap();
    assert_eq!(next.epoch, 2);
    assert!(next.seq > first.version.unwrap().seq);
    // a comes back with nothing and follows.
    copies.catch_up(0, 1, 2).await;
    assert_eq!(&a.own(0).await.value[..], b"v");
}

#[tokio::test]
async fn a_handover_loses_nothing_and_needs_no_snapshot() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    copies.catch_up(1, 0, 1).await;
    for n in 0..50 {
        a.write(n, "v").await;
    }
    copies.caught_up(1, 0).await;
    copies.require(0, &[1]);
    let begun = a.plane.replication_traffic().snapshots_begun;
    let copy_id = a.copy().copy_id;
    a.plane.freeze_partition(P).unwrap();
    let mut client = a.client.clone();
    let waits = tokio::spawn(async move { client.set(set(&key_in(P, 50), "w")).await });
    let target = b.copy().copy_id;
    assert_eq!(a.drained(&[(P, &target)], 30_000).await, [true]);
    copies.follow(0, 1, &b.address, 2);
    b.plane.promote_partition(P, 2).unwrap();
    copies.require(1, &[0]);
    let moved = waits.await.unwrap().unwrap().into_inner();
    assert_eq!(moved.version.unwrap().epoch, 2, "it was sent on to b");
    b.client.clone().del(del(0)).await.unwrap();
    copies.caught_up(0, 1).await;
    assert_eq!(a.own(0).await.status(), v1::Status::Miss);
    assert_eq!(&a.own(49).await.value[..], b"v");
    assert_eq!(a.copy().copy_id, copy_id);
    assert_eq!(a.plane.replication_traffic().snapshots_begun, begun);
    assert_eq!(b.plane.replication_traffic().snapshots_begun, 0);
}

#[tokio::test]
async fn a_drain_says_when_it_was_not_in_time() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    proxy.hold();
    a.write(1, "v").await;
    a.plane.freeze_partition(P).unwrap();
    let copy_id = b.copy().copy_id;
    let both = [(P, &*copy_id), (P + 1, &*copy_id)];
    assert_eq!(a.drained(&both, 30).await, [false, false]);
    proxy.pass();
    assert_eq!(
        a.drained(&both, 30_000).await,
        [true, false],
        "the second is not served here"
    );
    a.plane.thaw_partition(P).unwrap();
    a.write(2, "v").await;
}

#[tokio::test]
async fn what_only_a_deposed_primary_has_goes_and_its_copy_gets_a_new_id() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "both").await;
    copies.caught_up(1, 0).await;
    proxy.cut();
    a.write(1, "only a").await;
    a.write(0, "only a").await;
    b.plane.promote_partition(P, 2).unwrap();
    b.plane.require_copies(P, &[], 1).unwrap();
    b.write(2, "only b").await;
    let before = a.copy().copy_id;
    copies.follow(0, 1, &b.address, 2);
    assert_eq!(a.copy().copy_id, before, "what is demoted keeps its id");
    copies.caught_up(0, 1).await;
    assert_ne!(a.copy().copy_id, before);
    assert!(a.copy().copy_id.starts_with("ia-"));
    assert_eq!(&a.own(0).await.value[..], b"both");
    assert_eq!(a.own(1).await.status(), v1::Status::Miss);
    assert_eq!(&a.own(2).await.value[..], b"only b");
}

#[tokio::test]
async fn a_deposed_primary_finds_nobody_who_obeys_it() {
    let copies = Copies::start(3, patient()).await;
    let [a, b, c] = &copies.nodes[..] else {
        panic!()
    };
    copies.catch_up(1, 0, 1).await;
    copies.catch_up(2, 0, 1).await;
    copies.require(0, &[1]);
    // c takes over, and b obeys it; a does not know.
    c.plane.promote_partition(P, 2).unwrap();
    c.plane.require_copies(P, &[], 1).unwrap();
    copies.catch_up(1, 2, 2).await;
    let mut client = a.client.clone();
    let unknown = tokio::spawn(async move { client.del(del(0)).await });
    a.write(5, "old").await;
    c.write(6, "new").await;
    copies.caught_up(1, 2).await;
    assert_eq!(b.own(5).await.status(), v1::Status::Miss);
    assert_eq!(&b.own(6).await.value[..], b"new");
    assert!(!unknown.is_finished(), "it is acknowledged by nobody");
    copies.follow(0, 2, &c.address, 2);
    let unknown = unknown.await.unwrap().unwrap_err();
    let Said(code, _, outcome) = said(&unknown);
    assert_eq!((code, outcome), (Unavailable, "MAYBE_APPLIED"));
}

#[tokio::test]
async fn a_follower_that_takes_nothing_costs_no_memory_and_no_write() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let proxy = Proxy::to(&a.address).await;
    copies.follow(1, 0, &proxy.address, 1);
    a.write(0, "v").await;
    copies.caught_up(1, 0).await;
    proxy.hold();
    let value: &'static str = "x".repeat(64 << 10).leak();
    let connections = || {
        let memory = a.plane.snapshot().memory;
        memory
            .iter()
            .find(|(kind, _)| *kind == "connections")
            .unwrap()
            .1
    };
    let mut most = 0;
    // Five times what the node may use in all.
    for n in 0..5 * 1024 {
        a.write(n % 700, value).await;
        most = most.max(connections());
    }
    assert!(most < 4 << 20, "{most} bytes are held for it");
    let stats = a.plane.stats();
    assert!(stats.memory_bytes <= stats.maxmemory_bytes);
    proxy.pass();
    copies.caught_up(1, 0).await;
    assert_eq!(b.own(699).await.value.len(), a.own(699).await.value.len());
}

#[tokio::test]
async fn snapshots_keep_to_the_rate_of_who_sends_and_of_who_takes_them() {
    for bounded in [0, 1] {
        let copies = Copies::start(2, patient()).await;
        let [a, _] = &copies.nodes[..] else { panic!() };
        let value: &'static str = "x".repeat(64 << 10).leak();
        for n in 0..64 {
            a.write(n, value).await;
        }
        copies.nodes[bounded].plane.set_snapshot_rate(4 << 20);
        let begun = Instant::now();
        copies.catch_up(1, 0, 1).await;
        let took = begun.elapsed();
        // 4 MiB at 4 MiB a second, less what may go at once.
        assert!(took > Duration::from_millis(800), "{took:?}");
        assert_eq!(copies.nodes[1].copy().role, Role::Follower);
    }
}

#[tokio::test]
async fn a_node_that_waits_for_its_rate_goes_on_when_there_is_none() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    let value: &'static str = "x".repeat(64 << 10).leak();
    for n in 0..64 {
        a.write(n, value).await;
    }
    b.plane.set_snapshot_rate(1000);
    let caught_up = copies.catch_up(1, 0, 1);
    let unbound = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(b.copy().role, Role::Restoring);
        b.plane.set_snapshot_rate(0);
    };
    let begun = Instant::now();
    tokio::join!(caught_up, unbound);
    // A minute, at the rate that was.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_routed_meets_no_moved_while_a_partition_is_handed_over() {
    let limits = Limits {
        owner_wait: Duration::from_secs(60),
        ..patient()
    };
    let copies = Copies::start(2, limits).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    copies.catch_up(1, 0, 1).await;
    let routed = |value: &'static str| v1::SetRequest {
        routed: true,
        ..set(&key_in(P, 0), value)
    };
    a.plane.freeze_partition(P).unwrap();
    let target = b.copy().copy_id;
    assert_eq!(a.drained(&[(P, &target)], 30_000).await, [true]);
    copies.follow(0, 1, &b.address, 2);
    // The new primary does not know yet, and the old one has told it that it is none.
    let waiting = eventually_waits(b, &routed("early")).await;
    // Nobody was told by the topology: it is sent on, although its caller routes.
    let (mut client, late) = (a.client.clone(), routed("late"));
    let sent_on = tokio::spawn(async move { client.set(late).await });
    b.plane.promote_partition(P, 2).unwrap();
    copies.require(1, &[]);
    for written in [waiting, sent_on] {
        let version = written.await.unwrap().unwrap().into_inner().version;
        assert_eq!(version.unwrap().epoch, 2);
    }
    copies.install(2, 2, "b");
    let status = a.client.clone().set(routed("last")).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
    );
}

type Written = Result<tonic::Response<v1::SetResponse>, tonic::Status>;

/// Write until the node does not answer at once; what then waits.
async fn eventually_waits(node: &Node, write: &v1::SetRequest) -> tokio::task::JoinHandle<Written> {
    let patience = Instant::now() + Duration::from_secs(30);
    while Instant::now() < patience {
        let (mut client, write) = (node.client.clone(), write.clone());
        let mut written = tokio::spawn(async move { client.set(write).await });
        let answered = tokio::time::timeout(Duration::from_millis(100), &mut written).await;
        let Ok(answered) = answered else {
            return written;
        };
        let status = answered.unwrap().unwrap_err();
        assert_eq!(
            said(&status),
            Said(FailedPrecondition, "MOVED", "NOT_APPLIED")
        );
    }
    panic!("it is told where its old primary is");
}

#[tokio::test]
async fn roles_that_cannot_be_are_refused() {
    let copies = Copies::start(2, patient()).await;
    let [a, b] = &copies.nodes[..] else { panic!() };
    assert!(
        b.plane.promote_partition(P, 2).is_err(),
        "nothing is followed"
    );
    assert!(b.plane.require_copies(P, &[], 1).is_err(), "nor served");
    assert!(a.plane.promote_partition(P, 2).is_err(), "it is served");
    copies.catch_up(1, 0, 1).await;
    assert!(b.plane.open_partition(P, 2, "ib-other").is_err());
    assert!(b.plane.freeze_partition(P).is_err());
    let plane = &b.plane;
    let follow = |address: &str, epoch| plane.follow_partition(P, "a", address, epoch, "ib-x");
    assert!(follow(&a.address, 0).is_err(), "an epoch that is over");
    assert!(follow("nowhere at all", 1).is_err());
    follow("", 1).unwrap();
    eventually("it has left", || a.acked(&b.copy().copy_id).is_none()).await;
    assert_eq!(b.copy().role, Role::Follower, "it keeps what it has");
    b.plane.close_partition(P).unwrap();
    assert!(b.plane.replication().is_empty());
}
#[tokio::test]
async fn streams_that_break_the_rules_are_ended_and_too_many_refused() {
    use shoal_protos::replication::v1 as r;
    use shoal_protos::replication::v1::replication_client::ReplicationClient;
    let limits = Limits {
        followers_max: 1,
        ..patient()
    };
    let copies = Copies::start(1, limits).await;
    let a = &copies.nodes[0];
    let client = || async { ReplicationClient::new(channel(&a.address).await) };
    let hello = |cluster: &str| r::FollowRequest {
        hello: Some(r::FollowHello {
            node: "b".into(),
            cluster_id: cluster.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let want = r::FollowRequest {
        wants: vec![r::FollowWant {
            partition: PARTITIONS,
            ..Default::default()
        }],
        ..Default::default()
    };
    for said in [
        vec![want.clone()],
        vec![hello("another")],
        vec![hello("test"), hello("test")],
        vec![hello("test"), want],
    ] {
        let streams = || a.plane.snapshot().replication[0];
        assert_eq!(streams().0, "streams");
        eventually("the one before is gone", || streams().1 == 0).await;
        let asked = tokio_stream::iter(said);
        let mut answers = client().await.follow(asked).await.unwrap().into_inner();
        let status = answers.message().await.unwrap_err();
        assert_eq!(status.code(), InvalidArgument, "{status:?}");
        assert!(!status.message().is_empty());
    }
    let (_says, asked) = tokio::sync::mpsc::channel(1);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let _stands = client().await.follow(asked).await.unwrap();
    let one_more = client().await.follow(tokio_stream::empty()).await;
    assert_eq!(
        said(&one_more.unwrap_err()),
        Said(ResourceExhausted, "TOO_MANY_REQUESTS", "NOT_APPLIED")
    );
    let positions = |partitions| async {
        let asked = r::PositionsRequest { partitions };
        client().await.positions(asked).await
    };
    let told = positions(vec![P, P + 1]).await.unwrap().into_inner();
    assert_eq!(told.partitions.len(), 1, "only what is open");
    assert_eq!(told.partitions[0].copy_id, "ia-first");
    assert_eq!(told.partitions[0].role(), r::CopyRole::Primary);
    let beyond = positions(vec![PARTITIONS]).await.unwrap_err();
    assert_eq!(
        said(&beyond),
        Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
    );
}
