//! A primary's hub under many threads: writers, readers, the agent and a stream.
//!
//! The stream is a real one, both its ends on one thread, which sleeps when there is
//! nothing to do. So the explorer finds a piece of news that wakes nobody: it calls that a
//! deadlock.

#[path = "../../bell.rs"]
mod bell;
#[path = "../../schedules.rs"]
mod schedules;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Wake, Waker};

use bell::Bell;
use schedules::explore;
use shoal_engine::{Engine, Eviction, Now, Position, SetOutcome, Settings, Write};
use shoal_replication::{BUDGET_BYTES, Bounds, Copy, Hub, Next, Sink, Source, Unmet};
use shuttle::future::block_on;
use shuttle::sync::atomic::AtomicBool;
use shuttle::thread;

const NOW: Now = Now(1000);
const EPOCH: u64 = 1;
const KEY: &[u8] = b"key";
const HASH: u64 = 7;

/// One node's copy of the one partition, and what it knows of others'.
struct Node {
    engine: Engine,
    hub: Arc<Hub>,
}

impl Node {
    fn new() -> Arc<Node> {
        let engine = Engine::new(Settings {
            partition_count: 1,
            maxmemory_bytes: 4 << 20,
            eviction: Eviction::None,
            key_bytes_max: 64,
            value_bytes_max: 64,
            hash_seed: 5,
        });
        let hub = Arc::new(Hub::new(1, Bounds::default()));
        Arc::new(Node { engine, hub })
    }

    fn seq(&self) -> u64 {
        self.engine
            .position(0)
            .map_or(0, |position: Position| position.seq)
    }

    /// As a server writes at the level `IN_SYNC`. Returns the sequence, and whether it was
    /// told at once that nobody need be waited for.
    fn write(&self, value: &[u8]) -> (u64, bool) {
        let reserved = self.hub.reserve(0, HASH).unwrap();
        let write = Write {
            value,
            ..Write::default()
        };
        let SetOutcome::Applied(version) = self.engine.set(0, KEY, write, NOW).unwrap() else {
            panic!("a write without a condition is applied");
        };
        self.hub.written(0);
        (version.seq, reserved.wrote(version.seq))
    }

    /// As a server reads from the primary: what may be shown at once, by its sequence.
    fn read(&self) -> Option<u64> {
        let read = |entry: shoal_engine::Entry<'_>| entry.version.seq;
        let found = self.engine.get(0, KEY, NOW, read).unwrap();
        match self.hub.blocks_read(&self.engine, 0, HASH) {
            None => found,
            Some(_) => None,
        }
    }

    fn wait(&self, seq: u64) -> Result<(), Unmet> {
        block_on(Hub::wait(&self.hub, 0, EPOCH, seq))
    }
}

/// A primary, a copy that has everything it has, and the stream between them.
struct Pair {
    primary: Arc<Node>,
    follower: Arc<Node>,
    copy: Copy,
    stream: Stream,
}

struct Stream {
    primary: Arc<Node>,
    follower: Arc<Node>,
    source: Source,
    sink: Sink,
    bell: Arc<Bell>,
    is_over: Arc<AtomicBool>,
}

impl Pair {
    /// No copy is required yet.
    fn new() -> Pair {
        let (primary, follower) = (Node::new(), Node::new());
        primary.hub.open(&primary.engine, 0, EPOCH, "p-0").unwrap();
        follower.hub.follow(&follower.engine, 0, "f-0");
        let drawn = AtomicU32::new(1);
        let draw = move |_: &str| format!("f-{}", drawn.fetch_add(1, SeqCst));
        let mut sink = Sink::new(follower.hub.clone(), "f", "test", Box::new(draw));
        sink.follow(0, EPOCH);
        sink.connected();
        let mut stream = Stream {
            source: Source::new(primary.hub.clone(), "test"),
            sink,
            bell: Arc::default(),
            is_over: Arc::new(AtomicBool::new(false)),
            primary: primary.clone(),
            follower: follower.clone(),
        };
        while stream.step() {}
        let copy_id = follower.hub.copy_id(0).unwrap();
        Pair {
            copy: Copy::new("f", &copy_id),
            primary,
            follower,
            stream,
        }
    }

    /// From now on the copy must have what is committed. Returns what the primary had.
    fn require(&self) -> u64 {
        require(&self.primary, std::slice::from_ref(&self.copy))
    }
}

fn require(primary: &Node, copies: &[Copy]) -> u64 {
    let in_sync_count = 1 + u32::try_from(copies.len()).unwrap();
    let hub = &primary.hub;
    hub.require(&primary.engine, 0, copies, in_sync_count)
        .unwrap()
}

impl Stream {
    /// Carry a message each way. Returns whether there was one.
    fn step(&mut self) -> bool {
        let mut has_moved = false;
        if let Next::Send(message) = self.sink.next(&self.follower.engine, NOW) {
            self.source
                .receive(&self.primary.engine, message, NOW)
                .unwrap();
            has_moved = true;
        }
        let waker = Waker::from(self.bell.clone());
        let next = self
            .source
            .next(&self.primary.engine, NOW, BUDGET_BYTES, &waker);
        match next {
            Next::Send(message) => {
                self.sink.receive(&self.follower.engine, message, NOW);
                true
            }
            Next::Later(at_ms) => has_moved || at_ms <= NOW.0,
            Next::Idle => has_moved,
        }
    }

    /// It breaks, and stands again, and the copy goes on.
    fn break_once(&mut self) {
        self.source = Source::new(self.primary.hub.clone(), "test");
        self.sink.connected();
        while self.step() {}
    }

    /// Until it is over, and nothing is left to carry.
    fn run(mut self) {
        loop {
            let ends = self.is_over.load(SeqCst);
            if self.step() {
                continue;
            }
            if ends {
                return;
            }
            self.bell.wait();
        }
    }

    /// Carries on a thread of its own until the returned is called.
    fn begin(self) -> impl FnOnce() {
        let (is_over, bell) = (self.is_over.clone(), self.bell.clone());
        let thread = thread::spawn(move || self.run());
        move || {
            is_over.store(true, SeqCst);
            bell.wake();
            thread.join().unwrap();
        }
    }
}

/// A write that was answered is on the copy that had to have it, and every writer hears
/// of it: no news of a write, and no acknowledgement, finds everybody asleep.
#[test]
fn who_writes_in_sync_is_answered_once_the_copy_has_it() {
    explore(|| {
        let pair = Pair::new();
        pair.require();
        let end = pair.stream.begin();
        let writers: Vec<_> = (0..2_u8)
            .map(|writer| {
                let (primary, follower) = (pair.primary.clone(), pair.follower.clone());
                thread::spawn(move || {
                    for round in 0..2 {
                        let (seq, is_committed) = primary.write(&[writer, round]);
                        if !is_committed {
                            primary.wait(seq).unwrap();
                        }
                        assert!(follower.seq() >= seq, "answered, and the copy lacks it");
                    }
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        end();
        assert_eq!(pair.primary.hub.waiter_count(), 0);
        assert_eq!(pair.follower.seq(), 4);
    });
}

/// A reader of the primary is shown nothing that a failover could take back.
#[test]
fn who_reads_is_shown_what_the_copy_has() {
    explore(|| {
        let pair = Pair::new();
        pair.require();
        let end = pair.stream.begin();
        let writer = {
            let primary = pair.primary.clone();
            thread::spawn(move || {
                for round in 0..2 {
                    let (seq, is_committed) = primary.write(&[round]);
                    if !is_committed {
                        primary.wait(seq).unwrap();
                    }
                }
            })
        };
        let (primary, follower) = (pair.primary.clone(), pair.follower.clone());
        let reader = thread::spawn(move || {
            let mut seen = 0;
            for _ in 0..4 {
                if let Some(seq) = primary.read() {
                    assert!(follower.seq() >= seq, "shown, and the copy lacks it");
                    assert!(seq >= seen, "{seq} was shown after {seen}");
                    seen = seq;
                }
            }
        });
        writer.join().unwrap();
        reader.join().unwrap();
        end();
        assert_eq!(
            pair.primary.read(),
            Some(2),
            "nothing is left that is waited for"
        );
    });
}

/// A copy becomes required while writes are under way. Each of them was there when that
/// was told, or is on the copy before it is answered; and no reader is shown one that is
/// not.
#[test]
fn a_copy_that_becomes_required_misses_nothing() {
    explore(|| {
        let pair = Pair::new();
        let end = pair.stream.begin();
        let writers: Vec<_> = (0..2_u8)
            .map(|writer| {
                let (primary, follower) = (pair.primary.clone(), pair.follower.clone());
                thread::spawn(move || {
                    let (seq, is_committed) = primary.write(&[writer]);
                    if !is_committed {
                        primary.wait(seq).unwrap();
                        assert!(follower.seq() >= seq, "answered, and the copy lacks it");
                    }
                    (seq, is_committed)
                })
            })
            .collect();
        let primary_seq = require(&pair.primary, std::slice::from_ref(&pair.copy));
        // Who reads from now on is shown what the copy has, or what was there before.
        if let Some(seq) = pair.primary.read() {
            let is_there = pair.follower.seq() >= seq || seq <= primary_seq;
            assert!(is_there, "shown, and neither there before nor on the copy");
        }
        for writer in writers {
            let (seq, was_committed) = writer.join().unwrap();
            if was_committed {
                let is_there = seq <= primary_seq || pair.follower.seq() >= seq;
                assert!(is_there, "{seq} was answered before {primary_seq} was told");
            }
        }
        end();
        assert_eq!(pair.follower.seq(), 2);
    });
}

/// A partition that goes while somebody waits tells so: nobody is answered by another
/// epoch's acknowledgements, and nobody sleeps on.
#[test]
fn who_waits_is_told_that_the_partition_went() {
    explore(|| {
        let Pair {
            primary,
            follower,
            stream,
            copy,
        } = Pair::new();
        require(&primary, &[copy]);
        let end = stream.begin();
        let writer = {
            let (primary, follower) = (primary.clone(), follower.clone());
            thread::spawn(move || {
                let (seq, is_committed) = primary.write(b"v");
                let told = match is_committed {
                    true => Ok(()),
                    false => primary.wait(seq),
                };
                match told {
                    Ok(()) => assert!(follower.seq() >= seq, "answered, and the copy lacks it"),
                    Err(why) => assert_eq!(why, Unmet::Gone),
                }
            })
        };
        // Once the write is there: another node may have the partition from now on.
        while primary.seq() == 0 {
            thread::yield_now();
        }
        primary.hub.follow(&primary.engine, 0, "p-0");
        writer.join().unwrap();
        end();
        assert_eq!(primary.hub.waiter_count(), 0);
        // Who comes later is told at once.
        let mut late = pin!(Hub::wait(&primary.hub, 0, EPOCH, 1));
        let told = block_on(poll_fn(|context| late.as_mut().poll(context)));
        assert_eq!(told, Err(Unmet::Gone));
    });
}

/// News that come while the last are read are rung for.
#[test]
fn who_waits_for_news_hears_of_all_of_it() {
    explore(|| {
        let Pair {
            primary,
            mut stream,
            ..
        } = Pair::new();
        let before = primary.hub.news();
        stream.break_once();
        let once = primary.hub.news();
        // The stream ends with its thread: the copy leaves.
        let last = once + (once - before) + 1;
        let bell = Arc::new(Bell::default());
        primary.hub.set_bell(Waker::from(bell.clone()));
        let breaking = thread::spawn(move || stream.break_once());
        while primary.hub.news() < last {
            bell.wait();
        }
        breaking.join().unwrap();
        assert_eq!(primary.hub.news(), last);
    });
}
