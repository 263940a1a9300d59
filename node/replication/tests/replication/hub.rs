//! The hub alone: what is committed, who waits, which reads wait, what is news.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use shoal_engine::{Engine, Now, Role};
use shoal_replication::{Bounds, Copy, Hub, Refusal, TooFewCopies, Unmet, Wait};

use crate::world::World;

#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(wait: &mut Wait) -> Poll<Result<(), Unmet>> {
    Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
}

fn hub(world: &World, node: usize) -> (&Arc<Hub>, &Engine) {
    (&world.nodes[node].hub, &world.nodes[node].engine)
}

/// A primary with two followers that are required.
fn trio() -> World {
    let mut world = World::new(3);
    world.open(0, 0, 1);
    for node in [1, 2] {
        world.follow(node, 0, 0, 1);
    }
    world.settle();
    let copies: Vec<Copy> = [1, 2].iter().filter_map(|&it| world.copy(it, 0)).collect();
    world.require(0, 0, &copies);
    world
}

#[test]
fn committed_is_what_every_required_copy_has() {
    let mut world = trio();
    assert_eq!(world.committed(0, 1), 0, "not served");
    world.cut(2, 0);
    let seq = world.write(0, 0, "key", Some(b"1"));
    world.settle();
    assert!(world.committed(0, 0) < seq);
    let one = world.copy(1, 0).unwrap();
    let two = world.copy(2, 0).unwrap();
    world.require(0, 0, std::slice::from_ref(&one));
    assert_eq!(world.committed(0, 0), seq);
    // The same node under another id has acknowledged nothing.
    world.require(0, 0, &[one, Copy::new(&two.node, "other")]);
    assert_eq!(world.committed(0, 0), 0);
    world.require(0, 0, &[]);
    assert_eq!(world.committed(0, 0), u64::MAX);
}

#[test]
fn who_waits_is_woken_by_the_commit_and_told_of_the_end_of_the_epoch() {
    let mut world = trio();
    let seq = world.write(0, 0, "key", Some(b"1"));
    let (hub, engine) = hub(&world, 0);
    let mut wait = Hub::wait(hub, 0, 1, seq);
    let mut dropped = Hub::wait(hub, 0, 1, seq);
    let copy = world.copy(1, 0).unwrap();
    let mut drained = Hub::wait_acked(hub, 0, 1, &copy.copy_id, seq);
    let mut other_epoch = Hub::wait(hub, 0, 2, seq);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let pending = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
    assert_eq!(pending, Poll::Pending);
    assert_eq!(poll(&mut drained), Poll::Pending);
    assert_eq!(poll(&mut dropped), Poll::Pending);
    assert_eq!(poll(&mut other_epoch), Poll::Ready(Err(Unmet::Gone)));
    assert_eq!(hub.waiter_count(), 3);
    drop(dropped);
    assert_eq!(hub.waiter_count(), 2);
    let mut lost = Hub::wait(hub, 0, 1, seq + 1);
    assert_eq!(poll(&mut lost), Poll::Pending);
    let _ = engine;
    world.settle();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut wait), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut drained), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut lost), Poll::Pending);
    world.follow(0, 1, 0, 2);
    assert_eq!(poll(&mut lost), Poll::Ready(Err(Unmet::Gone)));
    assert_eq!(world.nodes[0].hub.waiter_count(), 0);
    assert_eq!(world.nodes[0].role(0), Some(Role::Follower));
}

#[test]
fn pending_writes_and_waiters_are_bounded() {
    let world = trio();
    let bounds = Bounds {
        pending_max: 3,
        waiters_max: 2,
        ..Bounds::default()
    };
    let hub = Arc::new(Hub::new(1, bounds));
    assert_eq!(hub.reserve(0, 7).unwrap_err(), Refusal::NotServed);
    let engine = Engine::new(shoal_engine::Settings {
        partition_count: 1,
        maxmemory_bytes: 1 << 24,
        eviction: shoal_engine::Eviction::None,
        key_bytes_max: 64,
        value_bytes_max: 64,
        hash_seed: 1,
    });
    hub.open(&engine, 0, 1, "x").unwrap();
    hub.require(&engine, 0, &[Copy::new("b", "y")], 2).unwrap();
    let reserved: Vec<_> = (0..3).map(|hash| hub.reserve(0, hash).unwrap()).collect();
    assert_eq!(hub.reserve(0, 3).unwrap_err(), Refusal::Full);
    drop(reserved);
    for seq in 1..=3 {
        assert!(!hub.reserve(0, seq).unwrap().wrote(seq));
    }
    assert_eq!(hub.reserve(0, 3).unwrap_err(), Refusal::Full);
    let mut waits: Vec<_> = (0..3).map(|_| Hub::wait(&hub, 0, 1, 1)).collect();
    let polled: Vec<_> = waits.iter_mut().map(poll).collect();
    let full = Poll::Ready(Err(Unmet::Full));
    assert_eq!(polled, [Poll::Pending, Poll::Pending, full]);
    hub.require(&engine, 0, &[], 1).unwrap();
    assert!(hub.reserve(0, 3).unwrap().wrote(1));
    drop(world);
}

#[test]
fn with_too_few_copies_in_sync_writes_are_refused() {
    let world = trio();
    let (hub, engine) = hub(&world, 0);
    hub.set_min_in_sync(3);
    assert!(hub.reserve(0, 1).is_ok());
    let one = world.copy(1, 0).unwrap();
    hub.require(engine, 0, &[one], 2).unwrap();
    let few = TooFewCopies {
        in_sync_count: 2,
        min_in_sync: 3,
    };
    assert_eq!(hub.has_min_in_sync(0), Err(few));
    assert_eq!(hub.reserve(0, 1).unwrap_err(), Refusal::TooFewCopies(few));
}

#[test]
fn a_read_waits_for_the_write_of_its_key_alone() {
    let mut world = trio();
    let hub = world.nodes[0].hub.clone();
    let blocks = |world: &World, hash| hub.blocks_read(&world.nodes[0].engine, 0, hash);
    assert_eq!(blocks(&world, 7), None);
    let reservation = hub.reserve(0, 7).unwrap();
    assert_eq!(blocks(&world, 7), None, "nothing was written yet");
    let seq = world.write(0, 0, "key", None);
    assert_eq!(blocks(&world, 7), Some(seq), "written, and not told");
    assert!(!reservation.wrote(seq));
    assert_eq!(blocks(&world, 7), Some(seq));
    assert_eq!(blocks(&world, 8), None);
    world.settle();
    assert_eq!(blocks(&world, 7), None);
}

#[test]
fn a_write_that_began_before_a_copy_was_required_blocks_reads_too() {
    let mut world = trio();
    let copies: Vec<Copy> = [1, 2].iter().filter_map(|&it| world.copy(it, 0)).collect();
    world.require(0, 0, &[]);
    let hub = world.nodes[0].hub.clone();
    let reservation = hub.reserve(0, 7).unwrap();
    world.require(0, 0, &copies);
    let seq = world.write(0, 0, "key", Some(b"1"));
    assert_eq!(hub.blocks_read(&world.nodes[0].engine, 0, 7), Some(seq));
    assert!(!reservation.wrote(seq));
    assert_eq!(hub.blocks_read(&world.nodes[0].engine, 0, 7), Some(seq));
    world.settle();
    assert_eq!(hub.blocks_read(&world.nodes[0].engine, 0, 7), None);
}

#[test]
fn after_a_promotion_nothing_is_committed_or_shown_until_the_others_have_it() {
    let mut world = trio();
    world.write(0, 0, "key", Some(b"1"));
    world.settle();
    world.cut(2, 0);
    let seq = world.write(0, 0, "key", Some(b"2"));
    world.settle();
    world.wipe(0);
    assert_eq!(world.promote(1, 0, 2).seq, seq);
    let hub = world.nodes[1].hub.clone();
    let blocks = |world: &World| hub.blocks_read(&world.nodes[1].engine, 0, 99);
    assert_eq!((world.committed(1, 0), blocks(&world)), (0, Some(seq)));
    let two = world.copy(2, 0).unwrap();
    world.require(1, 0, &[two]);
    assert_eq!((world.committed(1, 0), blocks(&world)), (0, Some(seq)));
    world.follow(2, 1, 0, 2);
    world.settle();
    assert_eq!((world.committed(1, 0), blocks(&world)), (seq, None));
    assert_eq!(world.nodes[1].hub.traffic().snapshots_begun, 0);
}

#[test]
fn joining_catching_up_falling_behind_and_leaving_are_news() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.write(0, 0, "key", Some(b"1"));
    let hub = world.nodes[0].hub.clone();
    let mut seen = hub.news();
    let mut is_news = || std::mem::replace(&mut seen, hub.news()) != hub.news();
    assert!(!is_news());
    world.follow(1, 0, 0, 1);
    world.settle();
    assert!(is_news(), "joined and caught up");
    world.write(0, 0, "key", Some(b"2"));
    hub.tend(&world.nodes[0].engine, Now(world.now));
    assert!(!is_news());
    hub.tend(&world.nodes[0].engine, Now(world.now + 500));
    assert!(is_news(), "fell behind");
    world.now += 501;
    world.settle();
    assert!(is_news(), "recovered");
    world.write(0, 0, "key", Some(b"3"));
    world.settle();
    hub.tend(&world.nodes[0].engine, Now(world.now + 5_000));
    assert!(!is_news());
    world.cut(1, 0);
    assert!(is_news(), "left");
    let status = hub.status(&world.nodes[0].engine, Now(world.now));
    assert!(!status[0].followers[0].is_streaming);
    assert_eq!(status[0].followers[0].lag_ms, 0);
}

#[test]
fn the_bell_rings_once_for_the_news_since_they_were_read() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    let hub = world.nodes[0].hub.clone();
    let bell = Arc::new(Bell::default());
    hub.set_bell(Waker::from(bell.clone()));
    let rings = || bell.0.swap(0, Ordering::Relaxed);
    assert_eq!(rings(), 1, "for what was before");
    hub.news();
    world.follow(1, 0, 0, 1);
    world.settle();
    assert_eq!(rings(), 1, "joined and caught up");
    world.cut(1, 0);
    assert_eq!(rings(), 0, "nobody has read it");
    hub.news();
    world.connect(1, 0);
    world.settle();
    assert_eq!(rings(), 1, "came again");
    hub.news();
    world.write(0, 0, "key", Some(b"1"));
    world.settle();
    assert_eq!(rings(), 0, "sequences go up without news");
}

#[test]
fn a_log_that_nobody_needs_is_let_go() {
    let mut world = World::new(2);
    world.open(0, 0, 1);
    world.follow(1, 0, 0, 1);
    world.settle();
    world.write(0, 0, "key", Some(&[1; 1000]));
    world.settle();
    let log_bytes = |world: &World| world.nodes[0].engine.log_bytes();
    assert!(log_bytes(&world) >= 1000);
    world.cut(1, 0);
    let hub = world.nodes[0].hub.clone();
    let tend = |world: &World, at| hub.tend(&world.nodes[0].engine, Now(at));
    let cut_at = world.now;
    tend(&world, cut_at);
    tend(&world, cut_at + 59_000);
    assert!(log_bytes(&world) >= 1000, "it may come back");
    tend(&world, cut_at + 61_000);
    assert_eq!(log_bytes(&world), 0);
    world.write(0, 0, "key", Some(b"2"));
    world.connect(1, 0);
    world.settle();
    assert_eq!(world.read(1, 0, "key").unwrap().0, b"2");
}

#[test]
fn positions_tell_what_every_copy_is() {
    let mut world = trio();
    let seq = world.write(0, 0, "key", Some(b"1"));
    world.settle();
    let (hub, engine) = hub(&world, 1);
    let answer = hub.positions(engine, &[0, 1, 77]);
    assert_eq!(answer.partitions.len(), 1);
    assert_eq!(answer, hub.positions(engine, &[]));
    let position = answer.partitions[0].position.unwrap();
    assert_eq!((position.epoch, position.seq), (1, seq));
    assert_eq!(
        *answer.partitions[0].copy_id,
        *world.copy(1, 0).unwrap().copy_id
    );
}
