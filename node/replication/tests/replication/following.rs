//! Following, step by step: what goes over a stream, and what each end does about it.

use std::task::Waker;

use shoal_engine::{Now, Role};
use shoal_protos::replication::v1::{
    FollowApplied, FollowHello, FollowRefusal, FollowRequest, FollowWant,
};
use shoal_replication::{Hostile, Next, Source};

use crate::world::{End, World, name};

#[test]
fn a_follower_comes_from_nothing_and_stays_in_step() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    for i in 0..500 {
        world.write(0, 0, &format!("k{i}"), Some(&[7; 900]));
    }
    world.follow(1, 0, 0, 1);
    world.settle();
    assert_eq!(world.read(1, 0, "k499"), Some((vec![7; 900], 500)));
    world.write(0, 0, "k0", None);
    let head = world.write(0, 0, "new", Some(b"n"));
    world.settle();
    assert_eq!(world.read(1, 0, "k0"), None);
    assert_eq!(world.read(1, 0, "new"), Some((b"n".to_vec(), head)));
    assert_eq!(world.nodes[1].position(0), world.nodes[0].position(0));
    let copy = world.copy(1, 0).unwrap();
    assert_eq!(world.nodes[0].hub.acked(0, &copy.copy_id), Some(head));
}

#[test]
fn after_a_short_break_the_log_goes_on_and_the_copy_stays_the_same() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.write(0, 0, "before", Some(b"1"));
    world.follow(1, 0, 0, 1);
    world.settle();
    let copy = world.copy(1, 0);
    let begun = world.nodes[0].hub.traffic().snapshots_begun;
    for i in 0..50 {
        world.cut(1, 0);
        world.write(0, 0, "key", Some(format!("{i}").as_bytes()));
        world.connect(1, 0);
        // Sometimes the stream breaks again with everything on its way.
        for end in [End::SinkSends, End::SourceReceives, End::SourceSends]
            .iter()
            .take(i % 4)
        {
            let _ = world.step((1, 0), *end);
        }
    }
    world.settle();
    assert_eq!(world.read(1, 0, "key").unwrap().0, b"49");
    assert_eq!(world.copy(1, 0), copy);
    assert_eq!(world.nodes[0].hub.traffic().snapshots_begun, begun);
}

#[test]
fn who_falls_behind_the_log_takes_a_new_id_and_starts_anew_once_it_is_not_required() {
    let mut world = World::new(2);
    world.limit_log(10_000);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.write(0, 0, "old", Some(b"1"));
    world.settle();
    let copy = world.copy(1, 0).unwrap();
    world.require(0, 0, std::slice::from_ref(&copy));
    for i in 0..100 {
        world.write(0, 0, &format!("k{i}"), Some(&[1; 1000]));
    }
    world.write(0, 0, "old", None);
    world.settle();
    // It has not taken it, but it is required: it keeps what it has.
    assert_eq!(world.copy(1, 0), Some(copy.clone()));
    assert_eq!(world.nodes[0].hub.traffic().discards_asked, 0);
    let status = world.nodes[0]
        .hub
        .status(&world.nodes[0].engine, Now(world.now + 5));
    assert!(!status[0].followers[0].is_streaming);
    assert!(status[0].followers[0].lag_ms > 0);
    world.require(0, 0, &[]);
    world.settle();
    assert_ne!(world.copy(1, 0), Some(copy));
    assert_eq!(world.nodes[0].hub.traffic().discards_asked, 1);
    assert_eq!(world.read(1, 0, "old"), None);
    assert_eq!(world.nodes[1].position(0), world.nodes[0].position(0));
}

#[test]
fn a_snapshot_that_is_cut_begins_anew_under_another_id() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    for i in 0..100 {
        world.write(0, 0, &format!("k{i}"), Some(&[1; 1000]));
    }
    world.budget_bytes = 4_000;
    world.follow(1, 0, 0, 1);
    while world.nodes[1].role(0) != Some(Role::Restoring) {
        for end in crate::world::ENDS {
            let _ = world.step((1, 0), end);
        }
    }
    let copy = world.copy(1, 0);
    let followers = |world: &World| {
        world.nodes[0]
            .hub
            .status(&world.nodes[0].engine, world.now())[0]
            .followers
            .len()
    };
    assert_eq!(followers(&world), 0, "it is of no use yet");
    world.cut(1, 0);
    world.connect(1, 0);
    world.settle();
    assert_ne!(world.copy(1, 0), copy);
    assert_eq!(world.nodes[1].position(0), world.nodes[0].position(0));
    assert_eq!(followers(&world), 1);
}

#[test]
fn snapshots_keep_to_the_rate_of_the_node_and_logs_do_not_wait_for_them() {
    let mut world = World::new(3);
    for partition in [0, 1] {
        world.open(0, partition, 1);
    }
    world.follow(1, 0, 1, 1);
    world.settle();
    for i in 0..100 {
        world.write(0, 0, &format!("k{i}"), Some(&[1; 10_000]));
    }
    // A megabyte to each of two nodes, at a megabyte a second.
    world.nodes[0].hub.set_snapshot_rate(1_000_000);
    let began = world.now;
    world.follow(1, 0, 0, 1);
    world.follow(2, 0, 0, 1);
    world.pass(500);
    world.write(0, 1, "other", Some(b"1"));
    world.pass(10);
    assert_eq!(world.nodes[1].position(1), world.nodes[0].position(1));
    while world.nodes[1].position(0).seq < 100 || world.nodes[2].position(0).seq < 100 {
        world.pass(50);
        assert!(world.now - began < 4_000, "it never ends");
    }
    let took_ms = world.now - began;
    assert!(took_ms >= 1_600, "2 MB in {took_ms} ms");
    world.nodes[0].hub.set_snapshot_rate(0);
}

#[test]
fn a_follower_of_many_takes_their_snapshots_at_its_own_rate_and_logs_do_not_wait_for_them() {
    let mut world = World::new(3);
    for primary in [0, 1] {
        world.open(primary, primary as u32, 1);
        for i in 0..100 {
            world.write(
                primary,
                primary as u32,
                &format!("k{i}"),
                Some(&[1; 10_000]),
            );
        }
    }
    // A megabyte of each of two nodes, at a megabyte a second.
    world.nodes[2].hub.set_snapshot_rate(1_000_000);
    let began = world.now;
    world.follow(2, 0, 0, 1);
    while world.nodes[2].position(0).seq < 100 {
        world.pass(10);
        assert!(world.now - began < 1_200, "the first never ends");
    }
    world.follow(2, 1, 1, 1);
    world.pass(300);
    assert_eq!(world.nodes[2].role(1), Some(Role::Restoring));
    world.write(0, 0, "other", Some(b"1"));
    world.pass(10);
    assert_eq!(world.nodes[2].position(0), world.nodes[0].position(0));
    while world.nodes[2].position(1).seq < 100 {
        world.pass(10);
        assert!(world.now - began < 2_400, "the second never ends");
    }
    let took_ms = world.now - began;
    assert!(took_ms >= 1_800, "2 MB in {took_ms} ms");
    // What waits at a rate that is hardly any goes on at once with another.
    world.wipe(2);
    world.nodes[2].hub.set_snapshot_rate(1);
    world.follow(2, 0, 0, 1);
    world.pass(1_000);
    assert_eq!(world.nodes[2].role(0), Some(Role::Restoring));
    world.nodes[2].hub.set_snapshot_rate(0);
    world.settle();
    assert_eq!(world.nodes[2].position(0), world.nodes[0].position(0));
}

#[test]
fn a_sink_that_never_reads_costs_no_memory_but_its_place() {
    let mut world = World::new(3);
    world.limit_log(100_000);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.follow(2, 0, 0, 1);
    world.settle();
    for i in 0..2_000 {
        world.write(0, 0, &format!("k{}", i % 10), Some(&[1; 1000]));
        // Two messages are in the stream to 1, and nobody takes them out. 2 keeps up.
        while world.step((1, 0), End::SourceSends) == Ok(true) {}
        for end in crate::world::ENDS {
            let _ = world.step((2, 0), end);
        }
        assert!(world.nodes[0].engine.log_bytes() <= 110_000);
    }
    world.settle();
    let head = world.nodes[0].position(0);
    assert_eq!(world.nodes[1].position(0), head);
    assert_eq!(world.nodes[2].position(0), head);
    assert_eq!(world.nodes[0].hub.traffic().discards_asked, 1);
}

#[test]
fn a_message_keeps_to_its_budget_and_every_partition_has_its_turn() {
    let mut world = World::new(2);
    for partition in [0, 1] {
        world.open(0, partition, 1);
        world.follow(1, 0, partition, 1);
    }
    world.settle();
    for i in 0..300 {
        world.write(0, 0, &format!("k{i}"), Some(&[1; 1000]));
    }
    world.write(0, 1, "small", Some(b"1"));
    world.budget_bytes = 64 << 10;
    assert_eq!(world.step((1, 0), End::SourceSends), Ok(true));
    let message = &world.links[&(1, 0)].down[0];
    let bytes: usize = message.batches.iter().map(|it| it.data.len()).sum();
    assert!(bytes <= (64 << 10) + 2_000, "{bytes}");
    assert!(message.batches.iter().any(|it| it.partition == 1));
}

#[test]
fn a_want_that_comes_too_early_is_answered_once_the_partition_is_served() {
    let mut world = World::new(2);
    world.follow(1, 0, 0, 3);
    world.settle_for(100);
    assert_eq!(world.nodes[1].position(0).seq, 0);
    world.open(0, 0, 2);
    world.write(0, 0, "key", Some(b"1"));
    world.settle_for(100);
    assert_eq!(world.read(1, 0, "key"), None, "it knows a higher epoch");
    let node = &world.nodes[0];
    node.hub.close(&node.engine, 0);
    world.open(0, 0, 3);
    world.write(0, 0, "key", Some(b"2"));
    world.settle_for(100);
    assert_eq!(world.read(1, 0, "key").unwrap().0, b"2");
}

#[test]
fn who_breaks_the_protocol_is_told_so() {
    let world = World::new(1);
    let node = &world.nodes[0];
    let hello = |cluster_id: &str| FollowRequest {
        hello: Some(FollowHello {
            node: name(1),
            cluster_id: cluster_id.into(),
            ..Default::default()
        }),
        ..FollowRequest::default()
    };
    let want = |partition, copy_id: &str| FollowRequest {
        wants: vec![FollowWant {
            partition,
            copy_id: copy_id.into(),
            ..FollowWant::default()
        }],
        ..FollowRequest::default()
    };
    let told = |messages: Vec<FollowRequest>| {
        let mut source = Source::new(node.hub.clone(), "test");
        messages
            .into_iter()
            .try_for_each(|message| source.receive(&node.engine, message, Now(1)))
    };
    assert_eq!(told(vec![want(0, "x")]), Err(Hostile::Hello));
    assert_eq!(
        told(vec![hello("test"), hello("test")]),
        Err(Hostile::Hello)
    );
    assert_eq!(told(vec![hello("other")]), Err(Hostile::OtherCluster));
    assert_eq!(told(vec![hello("test"), want(2, "x")]), Err(Hostile::Name));
    assert_eq!(told(vec![hello("test"), want(0, "")]), Err(Hostile::Name));
    let applied = FollowRequest {
        applied: vec![FollowApplied {
            partition: 9,
            ..FollowApplied::default()
        }],
        ..FollowRequest::default()
    };
    assert_eq!(told(vec![hello("test"), applied]), Err(Hostile::Name));
    assert_eq!(told(vec![hello("test"), want(0, "x")]), Ok(()));
}

/// Streams come in another order than they were made in, and end whenever they do.
#[test]
fn whose_copy_another_stream_took_asks_anew_and_the_last_that_lives_has_it() {
    let mut world = World::new(1);
    world.open(0, 0, 1);
    let node = &world.nodes[0];
    let next = |source: &mut Source| source.next(&node.engine, Now(1), 1 << 20, Waker::noop());
    let asks = |source: &mut Source, copy_id: &str, number| {
        let message = FollowRequest {
            hello: source.node().is_none().then(|| FollowHello {
                node: name(1),
                cluster_id: "test".into(),
                ..Default::default()
            }),
            wants: vec![FollowWant {
                epoch: 1,
                copy_id: copy_id.into(),
                number,
                ..FollowWant::default()
            }],
            ..FollowRequest::default()
        };
        source.receive(&node.engine, message, Now(1)).unwrap();
        let Next::Send(answer) = next(source) else {
            panic!("it was not answered");
        };
        assert!(answer.refused.is_empty(), "{answer:?}");
    };
    let streaming = || {
        let status = node.hub.status(&node.engine, Now(1));
        let followers = status[0].followers.iter().filter(|it| it.is_streaming);
        let ids = followers.map(|it| it.copy_id.to_string());
        ids.collect::<Vec<_>>()
    };
    for late in ["run1-b", "run1-a", "run0-z"] {
        let mut newer = Source::new(node.hub.clone(), "test");
        let mut older = Source::new(node.hub.clone(), "test");
        asks(&mut newer, "run1-b", 7);
        assert!(matches!(next(&mut newer), Next::Idle));
        asks(&mut older, late, 6);
        assert_eq!(streaming(), [late]);
        let Next::Send(told) = next(&mut newer) else {
            panic!("nobody told the newer stream");
        };
        let refused = &told.refused[0];
        assert_eq!(
            (refused.reason(), refused.number),
            (FollowRefusal::Again, 7)
        );
        asks(&mut newer, "run1-b", 8);
        assert_eq!(streaming(), ["run1-b"]);
        drop(older);
        assert_eq!(streaming(), ["run1-b"]);
        assert!(matches!(next(&mut newer), Next::Idle));
    }
}

/// One partition's log and another's snapshot, a little at a time.
#[test]
fn a_source_knows_whether_there_was_more_than_a_message_took() {
    let mut world = World::new(1);
    for partition in 0..2 {
        world.open(0, partition, 1);
        for i in 0..20 {
            world.write(0, partition, &format!("k{i}"), Some(&[7; 100]));
        }
    }
    let node = &world.nodes[0];
    let mut source = Source::new(node.hub.clone(), "test");
    let want = |partition| FollowWant {
        partition,
        epoch: 1,
        copy_id: format!("run1-{partition}"),
        number: 1,
        ..FollowWant::default()
    };
    let message = FollowRequest {
        hello: Some(FollowHello {
            node: name(1),
            cluster_id: "test".into(),
            ..Default::default()
        }),
        wants: (0..2).map(want).collect(),
        ..FollowRequest::default()
    };
    source.receive(&node.engine, message, Now(1)).unwrap();
    let mut said = Vec::new();
    for _ in 0..200 {
        match source.next(&node.engine, Now(1), 500, Waker::noop()) {
            Next::Send(_) => said.push(source.has_more()),
            Next::Later(_) => {}
            Next::Idle => break,
        }
    }
    assert!(said.len() > 8, "{said:?}");
    let (last, before) = said.split_last().unwrap();
    assert!(!last && before.iter().all(|it| *it), "{said:?}");
}

#[test]
fn applied_is_said_once_for_all_that_was_received() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.settle();
    for i in 0..2 {
        world.write(0, 0, &format!("k{i}"), Some(b"1"));
        assert_eq!(world.step((1, 0), End::SourceSends), Ok(true));
    }
    for _ in 0..2 {
        assert_eq!(world.step((1, 0), End::SinkReceives), Ok(true));
    }
    assert_eq!(world.step((1, 0), End::SinkSends), Ok(true));
    let applied = &world.links[&(1, 0)].up[0].applied;
    assert_eq!((applied.len(), applied[0].seq), (1, 2));
    assert_eq!(world.step((1, 0), End::SinkSends), Ok(false));
    assert_eq!(world.links[&(1, 0)].down.len(), 0);
}
