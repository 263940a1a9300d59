//! What must not happen, each as a short story. A story returns what went wrong, so that
//! a mutant can be shown to make it go wrong.

use shoal_engine::Role;
use shoal_replication::Copy;

use crate::world::{End, World};

/// What went wrong.
pub(crate) type Outcome = Result<(), String>;

fn hold(holds: bool, what: &str) -> Outcome {
    holds.then_some(()).ok_or_else(|| what.to_string())
}

fn copies(world: &World, nodes: &[usize]) -> Vec<Copy> {
    nodes.iter().filter_map(|&it| world.copy(it, 0)).collect()
}

/// One of two required copies does not take the write.
pub(crate) fn one_copy_is_not_all() -> Outcome {
    let mut world = World::new(3);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.follow(2, 0, 0, 1);
    world.settle();
    world.require(0, 0, &copies(&world, &[1, 2]));
    world.cut(2, 0);
    let seq = world.write(0, 0, "key", Some(b"1"));
    world.settle();
    hold(
        world.committed(0, 0) < seq,
        "committed without a copy that is required",
    )
}

/// A node restarts. Its new, empty copy does not stand for the one that was required.
pub(crate) fn a_restarted_node_is_another_copy() -> Outcome {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.settle();
    world.require(0, 0, &copies(&world, &[1]));
    world.wipe(1);
    world.follow(1, 0, 0, 1);
    let seq = world.write(0, 0, "key", Some(b"1"));
    world.settle();
    assert_eq!(world.nodes[1].position(0).seq, seq);
    hold(
        world.committed(0, 0) < seq,
        "committed by a copy that the record does not name",
    )
}

/// An acknowledgement is on its way while its epoch ends, and comes when the node is
/// primary again, with other writes under the same sequences.
pub(crate) fn an_old_acknowledgement_says_nothing() -> Outcome {
    let mut world = World::new(3);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.follow(2, 0, 0, 1);
    world.settle();
    world.require(0, 0, &copies(&world, &[1, 2]));
    world.cut(2, 0);
    // 1 takes two writes that 2 never sees, and its answer is on its way.
    world.write(0, 0, "key", Some(b"lost 1"));
    world.write(0, 0, "key", Some(b"lost 2"));
    let _ = world.step((1, 0), End::SourceSends);
    let _ = world.step((1, 0), End::SinkReceives);
    let _ = world.step((1, 0), End::SinkSends);
    let late = world
        .links
        .get_mut(&(1, 0))
        .unwrap()
        .up
        .pop_front()
        .unwrap();
    // 2 becomes primary and takes it on; then 0 again, which has what 2 had.
    world.promote(2, 0, 2);
    world.require(2, 0, &[]);
    world.write(2, 0, "other", Some(b"kept"));
    world.follow(0, 2, 0, 2);
    world.settle_for(100);
    assert_eq!(world.nodes[0].position(0), world.nodes[2].position(0));
    world.promote(0, 0, 3);
    world.require(0, 0, &copies(&world, &[1]));
    let seq = world.write(0, 0, "key", Some(b"new"));
    let now = world.now();
    let engine = &world.nodes[0].engine;
    let link = world.links.get_mut(&(1, 0)).unwrap();
    link.source.receive(engine, late, now).unwrap();
    assert_ne!(world.read(1, 0, "key").unwrap().0, b"new");
    hold(
        world.committed(0, 0) < seq,
        "committed by an acknowledgement of another epoch",
    )
}

/// A deposed primary goes on sending to a copy that knows better.
pub(crate) fn a_deposed_primary_is_not_obeyed() -> Outcome {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.settle();
    world.require(0, 0, &copies(&world, &[1]));
    let before = world.nodes[1].position(0);
    // 1 is told of the next epoch; 0 is not.
    let copy = world.copy(1, 0);
    world.follow(1, 0, 0, 2);
    let seq = world.write(0, 0, "key", Some(b"1"));
    world.settle();
    hold(
        world.nodes[1].position(0) == before && world.copy(1, 0) == copy,
        "what a deposed primary sent was applied",
    )?;
    hold(
        world.committed(0, 0) < seq,
        "a deposed primary has committed a write",
    )
}

/// Writes go on while a snapshot is sent.
pub(crate) fn a_snapshot_and_what_was_written_meanwhile_are_one() -> Outcome {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    for i in 0..100 {
        world.write(0, 0, &format!("k{i}"), Some(&[1; 100]));
    }
    world.budget_bytes = 1_000;
    world.follow(1, 0, 0, 1);
    let mut rounds = 0;
    while world.nodes[1].role(0) != Some(Role::Follower) || world.nodes[1].position(0).seq == 0 {
        for key in [rounds % 100, 99 - rounds % 100] {
            let value = (rounds % 3 != 0).then_some(&b"late"[..]);
            world.write(0, 0, &format!("k{key}"), value);
        }
        for end in crate::world::ENDS {
            let _ = world.step((1, 0), end);
        }
        rounds += 1;
        if rounds > 2_000 {
            return Err("the snapshot never ends".into());
        }
    }
    world.settle();
    for i in 0..100 {
        let key = format!("k{i}");
        let [primary, copy] = [0, 1].map(|node| world.read(node, 0, &key));
        hold(
            primary == copy,
            &format!("{key} is {copy:?}, and {primary:?} at the primary"),
        )?;
    }
    hold(
        world.nodes[1].position(0) == world.nodes[0].position(0),
        "the copy is not where the primary is",
    )
}

/// A write that no copy has yet is read.
pub(crate) fn what_is_not_committed_is_not_shown() -> Outcome {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.settle();
    world.require(0, 0, &copies(&world, &[1]));
    let hub = world.nodes[0].hub.clone();
    let reservation = hub.reserve(0, 7).unwrap();
    let seq = world.write(0, 0, "key", Some(b"1"));
    assert!(!reservation.wrote(seq));
    let blocked = hub.blocks_read(&world.nodes[0].engine, 0, 7);
    hold(blocked == Some(seq), "shown before it was committed")
}

/// A primary hands over and follows on, with the same copy and no snapshot; so does the
/// other follower.
pub(crate) fn a_handover_needs_no_snapshot() -> Outcome {
    let mut world = World::new(3);
    world.open(0, 0, 1);
    world.write(0, 0, "key", Some(b"1"));
    world.follow(1, 0, 0, 1);
    world.follow(2, 0, 0, 1);
    world.settle();
    world.cut(2, 0);
    let seq = world.write(0, 0, "key", Some(b"2"));
    world.settle();
    let before = copies(&world, &[0, 1, 2]);
    assert_eq!(world.promote(1, 0, 2).seq, seq);
    world.require(1, 0, &[before[0].clone(), before[2].clone()]);
    world.write(1, 0, "key", Some(b"3"));
    world.follow(0, 1, 0, 2);
    world.follow(2, 1, 0, 2);
    let head = world.write(1, 0, "key", None);
    world.settle();
    hold(world.committed(1, 0) == head, "not every copy has it")?;
    hold(
        copies(&world, &[0, 1, 2]) == before,
        "a copy started from nothing",
    )?;
    hold(
        [0, 2].iter().all(|&it| world.read(it, 0, "key").is_none()),
        "what was deleted is there",
    )
}

/// A deposed primary comes back with a write that nobody else has.
pub(crate) fn a_diverged_copy_drops_what_it_had() -> Outcome {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.write(0, 0, "deleted", Some(b"1"));
    world.follow(1, 0, 0, 1);
    world.settle();
    world.cut(1, 0);
    for _ in 0..3 {
        world.write(0, 0, "only here", Some(b"1"));
    }
    let old = world.copy(0, 0);
    world.promote(1, 0, 2);
    world.require(1, 0, &[]);
    world.write(1, 0, "deleted", None);
    world.write(1, 0, "key", Some(b"2"));
    world.follow(0, 1, 0, 2);
    world.settle();
    hold(world.copy(0, 0) != old, "the copy kept its id")?;
    hold(
        world.read(0, 0, "only here").is_none() && world.read(0, 0, "deleted").is_none(),
        "what was lost or deleted came back",
    )?;
    hold(
        world.nodes[0].position(0) == world.nodes[1].position(0),
        "the copy did not come along",
    )
}

#[test]
fn they_all_end_well() {
    for story in [
        one_copy_is_not_all,
        a_restarted_node_is_another_copy,
        an_old_acknowledgement_says_nothing,
        a_deposed_primary_is_not_obeyed,
        a_snapshot_and_what_was_written_meanwhile_are_one,
        what_is_not_committed_is_not_shown,
        a_handover_needs_no_snapshot,
        a_diverged_copy_drops_what_it_had,
    ] {
        story().unwrap();
    }
}
