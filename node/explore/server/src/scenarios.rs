//! What the explorer runs of the server: the ways of a request past fence and
//! ownership, while the agent opens, freezes, thaws and closes.
//!
//! A part of the server's own sources while they are explored, because what it looks
//! at is nobody else's business. Each function is one scenario, from a fresh start.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64 as Plain, AtomicUsize as PlainCount, Ordering};

use prost::Message;
use shoal_engine::{Position, SetOutcome, Write};
use shoal_protos::v1;
use shuttle::future::block_on;
use shuttle::thread;

use crate::clock::Clock;
use crate::commit::Ack;
use crate::failure::{Failure, Outcome};
use crate::node::{Fault, Moment, Node, Reader, Wrote};
use crate::ownership::{Ownership, State};
use crate::routing::Permit;
use crate::settings::{Limits, Settings};
use crate::sync::{AtomicU64, AtomicUsize};
use crate::topology::Topology;
use crate::visit::Visit;

#[path = "near.rs"]
pub mod near;

const SECOND_NS: u64 = 1_000_000_000;
const ANY: Reader = Reader::Any {
    at_least: Position { epoch: 0, seq: 0 },
};

/// A clock that a thread of the scenario moves; reading it is a point of the schedule.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn boottime_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn settings() -> Settings {
    Settings {
        node_id: "a".into(),
        listen: String::new(),
        partition_count: 1,
        maxmemory_bytes: 1 << 20,
        value_bytes_max: 1024,
        key_bytes_max: 64,
        eviction: shoal_engine::Eviction::S3Fifo,
        hash_seed: 1,
        limits: Limits::default(),
        tls: None,
    }
}

fn hand() -> Arc<Hand> {
    Arc::new(Hand(AtomicU64::new(SECOND_NS)))
}

fn node() -> (Arc<Node>, Arc<Hand>) {
    let hand = hand();
    let node = Node::new(settings(), None, hand.clone());
    node.fence.set_deadline(2 * SECOND_NS);
    open(&node, 1);
    (Arc::new(node), hand)
}

/// As the data plane does it.
fn open(node: &Node, epoch: u64) {
    let hub = &node.replication.hub;
    hub.open(&node.engine, 0, epoch, "i-c").unwrap();
    node.ownership.open(0, epoch).unwrap();
}

fn close(node: &Node) {
    node.ownership.close(0);
    node.replication.hub.close(&node.engine, 0);
}

fn write(node: &Node, evaluated: impl FnOnce()) -> Result<SetOutcome, Fault> {
    write_in(&Visit::alone(node), evaluated)
}

fn write_in(node: &Visit<'_>, evaluated: impl FnOnce()) -> Result<SetOutcome, Fault> {
    let evaluate = |now| {
        let write = Write {
            value: b"v",
            ttl_ms: 0,
            absent: false,
            condition: None,
            ..Write::default()
        };
        let outcome = node.engine.set(0, b"key", write, now);
        evaluated();
        outcome
    };
    let wrote = |outcome: &SetOutcome| match outcome {
        SetOutcome::Applied(version) => Wrote::Seq(version.seq),
        SetOutcome::NotApplied(_) => Wrote::Nothing,
    };
    let written = node.write(0, b"key", Ack::Primary, evaluate, wrote);
    written.map(|(outcome, _)| outcome)
}

fn read(node: &Node, reader: Reader, evaluated: impl FnOnce()) -> Result<(), Fault> {
    read_in(&Visit::alone(node), reader, evaluated)
}

fn read_in(node: &Visit<'_>, reader: Reader, evaluated: impl FnOnce()) -> Result<(), Fault> {
    let evaluate = |moment: Moment| {
        let found = node.engine.get(0, b"key", moment.now, |_| ());
        evaluated();
        found.map(|_| ())
    };
    node.read(0, b"key", reader, evaluate).map(|((), _)| ())
}

/// After `freeze` has returned, and until the partition is thawed or closed, nobody is
/// between evaluation and answer.
pub fn nobody_is_inside_a_frozen_partition() {
    let ownership = Arc::new(Ownership::new(1));
    ownership.open(0, 1).unwrap();
    let inside = Arc::new(PlainCount::new(0));
    let entered = Arc::new(PlainCount::new(0));
    let requests: Vec<_> = (0..2)
        .map(|_| {
            let (ownership, inside, entered) = (ownership.clone(), inside.clone(), entered.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    if let Some(guard) = ownership.enter(0) {
                        inside.fetch_add(1, Ordering::SeqCst);
                        entered.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    }
                }
            })
        })
        .collect();
    for _ in 0..2 {
        ownership.freeze(0).unwrap();
        let (before, at) = (
            entered.load(Ordering::SeqCst),
            inside.load(Ordering::SeqCst),
        );
        assert_eq!(at, 0, "a request is inside a frozen partition");
        thread::yield_now();
        assert_eq!(ownership.state(0), State::Frozen);
        assert_eq!(entered.load(Ordering::SeqCst), before, "it was let in");
        ownership.thaw(0);
    }
    requests
        .into_iter()
        .for_each(|request| request.join().unwrap());
    assert!(ownership.enter(0).is_some(), "what was frozen was thawed");
}

/// Nobody is answered with success for what was evaluated after the lease had run out,
/// or after the agent had fenced the node. What was written then is told as unknown.
pub fn no_success_past_the_fence() {
    let (node, hand) = node();
    // 0: the fence stands; 1: it has fallen, and everybody may know.
    let fallen = Arc::new(AtomicBool::new(false));
    let requests: Vec<_> = [Some(Reader::Primary), Some(ANY), None]
        .into_iter()
        .map(|reader| {
            let (node, fallen) = (node.clone(), fallen.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let mut was_fallen = false;
                    let see = || was_fallen = fallen.load(Ordering::SeqCst);
                    match reader {
                        Some(ANY) => assert!(read(&node, ANY, see).is_ok()),
                        Some(reader) => match read(&node, reader, see) {
                            Ok(()) => assert!(!was_fallen, "a read past the fence"),
                            Err(fault) => assert_eq!(told(fault), Outcome::NotApplied),
                        },
                        None => match write(&node, see) {
                            Ok(_) => assert!(!was_fallen, "a write past the fence"),
                            Err(fault) if was_fallen => {
                                assert_eq!(told(fault), Outcome::MaybeApplied);
                            }
                            // It fell before the evaluation, or after it.
                            Err(fault) => _ = told(fault),
                        },
                    }
                }
            })
        })
        .collect();
    let time = {
        let fallen = fallen.clone();
        thread::spawn(move || {
            hand.0.store(2 * SECOND_NS, Ordering::SeqCst);
            fallen.store(true, Ordering::SeqCst);
        })
    };
    node.fence.set_deadline(3 * SECOND_NS / 2);
    time.join().unwrap();
    requests
        .into_iter()
        .for_each(|request| request.join().unwrap());
}

/// Nor is an operation of a batch, whose operations are checked behind the last of them:
/// each is answered if fence and epoch held after its own evaluation, and only then.
pub fn no_success_in_a_batch_past_fence_or_partition() {
    let (node, hand) = node();
    let fallen = Arc::new(AtomicBool::new(false));
    let closed = Arc::new(AtomicBool::new(false));
    let batches: Vec<_> = (0..2)
        .map(|_| {
            let (node, fallen, closed) = (node.clone(), fallen.clone(), closed.clone());
            thread::spawn(move || {
                let visit = Visit::together(&node, 3);
                // Of each that was done: whether its time was over by then.
                let mut done = [None; 3];
                for (operation, was_over) in done.iter_mut().enumerate() {
                    visit.begin(operation, None);
                    let see = || {
                        let is_over =
                            fallen.load(Ordering::SeqCst) || closed.load(Ordering::SeqCst);
                        *was_over = Some(is_over);
                    };
                    let outcome = match operation {
                        1 => write_in(&visit, see).map(|_| ()),
                        _ => read_in(&visit, Reader::Primary, see),
                    };
                    if outcome.is_err() {
                        *was_over = None;
                    }
                }
                let failed = visit.leave();
                for (operation, was_over) in done.into_iter().enumerate() {
                    let said = failed.iter().find(|(it, _)| *it == operation);
                    match (was_over, said) {
                        (Some(true), None) => panic!("operation {operation} is answered"),
                        (None, Some(_)) => panic!("operation {operation} was not done"),
                        (_, Some((1, outcome))) => assert_eq!(*outcome, Outcome::MaybeApplied),
                        (_, Some((_, outcome))) => assert_eq!(*outcome, Outcome::NotApplied),
                        (_, None) => {}
                    }
                }
            })
        })
        .collect();
    let time = {
        let fallen = fallen.clone();
        thread::spawn(move || {
            hand.0.store(2 * SECOND_NS, Ordering::SeqCst);
            fallen.store(true, Ordering::SeqCst);
        })
    };
    close(&node);
    closed.store(true, Ordering::SeqCst);
    time.join().unwrap();
    batches.into_iter().for_each(|batch| batch.join().unwrap());
    open(&node, 2);
    assert!(node.ownership.freeze(0).is_ok(), "everybody went out");
}

fn told(fault: Fault) -> Outcome {
    match fault {
        Fault::Failed(Failure::LeaseExpired(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

/// A partition that goes, and comes back under the next epoch, while requests are
/// inside: what was evaluated after it had gone is never answered with success, and
/// nothing is answered with a version of an epoch that it did not enter.
pub fn no_success_for_a_partition_that_went() {
    let (node, _hand) = node();
    // The epoch that was closed last, once everybody may know.
    let closed = Arc::new(Plain::new(0));
    let requests: Vec<_> = [false, true, true]
        .into_iter()
        .map(|writes| {
            let (node, closed) = (node.clone(), closed.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let closed_before = closed.load(Ordering::SeqCst);
                    let mut closed_meanwhile = 0;
                    // Whoever goes on here does so between evaluation and answer.
                    let see = || {
                        thread::yield_now();
                        closed_meanwhile = closed.load(Ordering::SeqCst);
                    };
                    let answer = if writes {
                        write(&node, see).map(|outcome| match outcome {
                            SetOutcome::Applied(version) => Some(version.epoch),
                            SetOutcome::NotApplied(_) => None,
                        })
                    } else {
                        read(&node, Reader::Primary, see).map(|()| None)
                    };
                    match answer {
                        Ok(Some(epoch)) => {
                            assert!(epoch > closed_before, "of an epoch that was over before");
                            assert!(epoch > closed_meanwhile, "of an epoch that ended meanwhile");
                        }
                        Ok(None) => {}
                        Err(Fault::Elsewhere) => {}
                        Err(Fault::Failed(Failure::LeaseExpired(outcome))) => {
                            let expected = match writes {
                                true => Outcome::MaybeApplied,
                                false => Outcome::NotApplied,
                            };
                            assert_eq!(outcome, expected);
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for epoch in 1..3 {
        close(&node);
        closed.store(epoch, Ordering::SeqCst);
        open(&node, epoch + 1);
    }
    requests
        .into_iter()
        .for_each(|request| request.join().unwrap());
    assert_eq!(node.engine.epoch(0), Some(3));
    node.engine.validate(0).unwrap();
}

/// A request that waits for a frozen partition hears of a thaw: it never sleeps on (the
/// explorer calls that a deadlock).
pub fn who_waits_is_woken_by_a_thaw() {
    who_waits_is_woken(|ownership| ownership.thaw(0));
}

/// And of a close.
pub fn who_waits_is_woken_by_a_close() {
    who_waits_is_woken(|ownership| _ = ownership.close(0));
}

fn who_waits_is_woken(end: impl FnOnce(&Ownership)) {
    let ownership = Arc::new(Ownership::new(1));
    ownership.open(0, 1).unwrap();
    ownership.freeze(0).unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let ownership = ownership.clone();
            thread::spawn(move || {
                block_on(async {
                    loop {
                        let mut changed = pin!(ownership.changed(0));
                        changed.as_mut().enable();
                        if ownership.state(0) != State::Frozen {
                            break;
                        }
                        changed.await;
                    }
                });
            })
        })
        .collect();
    thread::yield_now();
    end(&ownership);
    waiting
        .into_iter()
        .for_each(|waiting| waiting.join().unwrap());
}

/// Whatever the order in which revisions arrive, the newest stands, and nobody sees an
/// older one after a newer one.
pub fn an_older_topology_never_replaces_a_newer_one() {
    let topology = Arc::new(Topology::new(1));
    let installing: Vec<_> = [3_u64, 1, 2]
        .into_iter()
        .map(|revision| {
            let topology = topology.clone();
            thread::spawn(move || {
                let told = v1::Topology {
                    revision,
                    complete: true,
                    partition_count: 1,
                    ..Default::default()
                };
                topology.install(&told.encode_to_vec()).unwrap();
                assert!(topology.current().number >= revision);
            })
        })
        .collect();
    let mut newest = 0;
    for _ in 0..4 {
        let number = topology.current().number;
        assert!(number >= newest, "{number} came after {newest}");
        newest = number;
    }
    installing
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(topology.current().number, 3);
    assert_eq!(topology.subscribe().borrow().number, 3);
}

/// Never more permits than there are, and every one comes back.
pub fn permits_are_bounded() {
    const MAX: usize = 2;
    let taken = Arc::new(AtomicUsize::new(0));
    let held = Arc::new(PlainCount::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (taken, held) = (taken.clone(), held.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Some(permit) = Permit::take(&taken, MAX) {
                        assert!(held.fetch_add(1, Ordering::SeqCst) < MAX, "one too many");
                        thread::yield_now();
                        held.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    assert!(Permit::take(&taken, MAX).is_some());
}
