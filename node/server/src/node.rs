//! One node, as its requests see it: everything they share, and the two ways to
//! the engine.
//!
//! [`Visit::read`] and [`Visit::write`] are the only ways, because they keep the
//! order that makes an answer true: enter the partition, check the fence,
//! evaluate, check fence and epoch again, answer. What stands here is the order up to the
//! last check, which a visit may make for several operations at once. Where the answer must
//! not be given before other copies have confirmed a write, they say so by a [`Commit`].
//!
//! [`Visit::read`]: crate::visit::Visit::read
//! [`Visit::write`]: crate::visit::Visit::write

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shoal_engine::{Engine, NotOpen, Now, Position, Refused};
use tokio::sync::watch;

use crate::access::Access;
use crate::clock::{Clock, engine_now};
use crate::commit::{Ack, Commit};
use crate::counters::Counters;
use crate::failure::{Failure, Outcome};
use crate::fence::Fence;
use crate::fills::Relay;
use crate::forward::{Effect, Peers};
use crate::introspection::{Introspection, span};
use crate::near::Near;
use crate::ownership::{Guard, Ownership, State};
use crate::replication::Replication;
use crate::settings::{Limits, Settings};
use crate::slot::partition_of;
use crate::sync::{AtomicU64, AtomicUsize};
use crate::tls::Tls;
use crate::topology::Topology;

/// The parts that every request shares.
pub struct Node {
    pub(crate) id: String,
    pub(crate) partition_count: u32,
    pub(crate) key_bytes_max: usize,
    pub(crate) value_bytes_max: usize,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) fence: Fence,
    pub(crate) ownership: Ownership,
    pub(crate) replication: Replication,
    pub(crate) topology: Topology,
    pub(crate) access: Access,
    pub(crate) counters: Counters,
    pub(crate) introspection: Introspection,
    pub(crate) near: Near,
    /// Where there is none, connections are plain text.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) peers: Peers,
    pub(crate) relay: Relay,
    pub(crate) parked: AtomicUsize,
    pub(crate) watchers: AtomicUsize,
    /// The next number of a connection.
    pub(crate) callers: AtomicU64,
    secrets: Secrets,
    /// Bytes of requests and answers that connections hold.
    pub(crate) held_bytes: std::sync::atomic::AtomicUsize,
    /// Turns true once, when the node stops.
    pub(crate) stopping: watch::Sender<bool>,
}

/// Why an operation was not answered here.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The partition is frozen, or not served here: look where it is.
    Elsewhere,
    /// The copy here has not come so far yet: wait a moment, then ask the primary.
    Behind(Position),
    /// It failed, here and for good.
    Failed(Failure),
}

/// Which copies may answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The primary under its lease.
    Primary,
    /// Whoever has the partition, lease or not, if it has come so far.
    Any {
        /// Nothing: as far as it is.
        at_least: Position,
    },
}

/// What an operation has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// This operation of the partition.
    Seq(u64),
    /// Until when a key lives, in the engine's time, and no value. Its number it does not
    /// tell.
    Lives {
        /// The end of time: it lives on.
        until_ms: u64,
    },
    /// A condition did not hold, or there was nothing.
    Nothing,
}

/// When and how an evaluation takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    /// The lease has run out: what is read may be stale.
    pub(crate) fenced: bool,
    /// Another node is the partition's primary: likewise.
    pub(crate) follows: bool,
    /// The primary answers, under its lease and not on its way elsewhere: so what is read
    /// may be granted.
    pub(crate) may_grant: bool,
}

impl Moment {
    /// Anything but the primary under its lease answers.
    pub(crate) fn may_be_stale(self) -> bool {
        self.fenced || self.follows
    }
}

/// Numbers that nobody outside can guess, drawn one after the other.
#[derive(Default)]
struct Secrets {
    keyed: RandomState,
    drawn: AtomicU64,
}

/// Completes when the node stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Node {
    /// `tls`: made of that of the settings.
    pub(crate) fn new(settings: Settings, tls: Option<Arc<Tls>>, clock: Arc<dyn Clock>) -> Node {
        Node {
            engine: Engine::new(shoal_engine::Settings {
                partition_count: settings.partition_count,
                maxmemory_bytes: settings.maxmemory_bytes,
                eviction: settings.eviction,
                key_bytes_max: settings.key_bytes_max,
                value_bytes_max: settings.value_bytes_max,
                hash_seed: settings.hash_seed,
            }),
            id: settings.node_id,
            partition_count: settings.partition_count,
            key_bytes_max: settings.key_bytes_max,
            value_bytes_max: settings.value_bytes_max,
            clock,
            fence: Fence::default(),
            replication: Replication::new(settings.partition_count),
            ownership: Ownership::new(settings.partition_count),
            topology: Topology::new(settings.partition_count),
            access: Access::new(),
            counters: Counters::default(),
            introspection: Introspection::default(),
            near: Near::new(settings.partition_count, &settings.limits),
            peers: Peers::new(&settings.limits, tls.clone()),
            tls,
            relay: Relay::default(),
            limits: settings.limits,
            parked: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
            callers: AtomicU64::new(1),
            secrets: Secrets::default(),
            held_bytes: std::sync::atomic::AtomicUsize::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    /// What makes the next fill token known to its caller alone.
    pub(crate) fn fill_secret(&self) -> u64 {
        let drawn = self.secrets.drawn.fetch_add(1, Ordering::Relaxed);
        self.secrets.keyed.hash_one(drawn)
    }

    pub(crate) fn partition_of(&self, key: &[u8]) -> u32 {
        partition_of(key, self.partition_count)
    }

    /// Read a key of the partition, up to the last check: where a guard is returned, fence
    /// and epoch are to be checked before it is dropped. Where a commit is returned, answer
    /// once it holds.
    ///
    /// What `evaluate` has written is void unless the check succeeds.
    #[inline]
    pub(crate) fn read_inside<R>(
        &self,
        partition: u32,
        key: &[u8],
        reader: Reader,
        evaluate: impl FnOnce(Moment) -> Result<R, NotOpen>,
    ) -> Result<(R, Option<Commit>, Option<Guard<'_>>), Fault> {
        if let Reader::Any { at_least } = reader {
            let answer = self.read_any(partition, at_least, evaluate)?;
            return Ok((answer, None, None));
        }
        let guard = self.ownership.enter(partition).ok_or(Fault::Elsewhere)?;
        let moment = self.entered();
        if moment.fenced {
            return Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)));
        }
        let answer = evaluate(moment).map_err(|NotOpen| Fault::Elsewhere)?;
        // After the read: what it has seen was pending before, or is confirmed.
        let commit = self.unconfirmed(partition, guard.epoch(), key);
        Ok((answer, commit, Some(guard)))
    }

    /// May be stale, so that neither a frozen partition nor the fence matters.
    fn read_any<R>(
        &self,
        partition: u32,
        at_least: Position,
        evaluate: impl FnOnce(Moment) -> Result<R, NotOpen>,
    ) -> Result<R, Fault> {
        let state = self.ownership.state(partition);
        if state == State::Closed {
            return Err(Fault::Elsewhere);
        }
        let moment = self.moment();
        let moment = Moment {
            follows: state == State::Followed,
            may_grant: moment.may_grant && state == State::Open,
            ..moment
        };
        let is_asked = at_least != Position::default();
        let before = is_asked.then(|| self.engine.position(partition)).flatten();
        if is_asked && before.unwrap_or_default() < at_least {
            // A primary under its lease has all there is, whatever was promised of it.
            let own = self.ownership.served_epoch(partition);
            let has_all = !moment.fenced && own.is_some_and(|own| at_least.epoch <= own);
            match state {
                State::Followed => return Err(Fault::Behind(at_least)),
                State::Closed | State::Frozen if !has_all => return Err(Fault::Elsewhere),
                State::Open if !has_all => {
                    let outcome = Outcome::NotApplied;
                    return Err(Fault::Failed(Failure::LeaseExpired(outcome)));
                }
                _ => {}
            }
        }
        let answer = evaluate(moment).map_err(|NotOpen| Fault::Elsewhere)?;
        // It may have begun anew from less meanwhile.
        if is_asked && self.engine.position(partition) < before {
            return Err(Fault::Behind(at_least));
        }
        Ok(answer)
    }

    /// Write a key of the partition, up to the last check: fence and epoch are to be
    /// checked before the guard is dropped. `wrote` tells what was written, if anything
    /// was. Where a commit is returned, answer once it holds.
    #[inline]
    pub(crate) fn write_inside<R>(
        &self,
        partition: u32,
        key: &[u8],
        ack: Ack,
        evaluate: impl FnOnce(Now) -> Result<R, Refused>,
        wrote: impl FnOnce(&R) -> Wrote,
    ) -> Result<(R, Option<Commit>, Guard<'_>), Fault> {
        let guard = self.ownership.enter(partition).ok_or(Fault::Elsewhere)?;
        let moment = self.entered();
        if moment.fenced {
            return Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)));
        }
        let hub = &self.replication.hub;
        // Before the write can be seen, so that no read takes it for confirmed.
        let reserved = match ack {
            Ack::Primary => None,
            Ack::InSync => Some(self.reserve(partition, key)?),
        };
        let answer = evaluate(moment.now).map_err(|refused| self.fault(refused))?;
        let wrote = wrote(&answer);
        if wrote != Wrote::Nothing {
            hub.written(partition);
            self.invalidate(partition, guard.epoch(), key, wrote);
        }
        let commit = reserved.and_then(|reserved| {
            let is_committed = match wrote {
                Wrote::Seq(seq) => {
                    let is_committed = reserved.wrote(seq);
                    (!is_committed).then_some(seq)
                }
                // It tells of what stands, or has a number that is not told: all up to
                // now is confirmed first.
                Wrote::Lives { .. } | Wrote::Nothing => {
                    drop(reserved);
                    self.unconfirmed_head(partition)
                }
            };
            is_committed.map(|seq| Commit {
                partition,
                epoch: guard.epoch(),
                seq,
                effect: Effect::Write,
            })
        });
        Ok((answer, commit, guard))
    }

    /// When an operation enters. After another one of the same batch, that is when the clock
    /// was read last for one of them.
    fn entered(&self) -> Moment {
        match span::of_this_request_ns() {
            Some(now_ns) => self.moment_at(now_ns),
            None => self.moment(),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        let now_ns = self.clock.boottime_ns();
        span::tick(now_ns);
        self.moment_at(now_ns)
    }

    fn moment_at(&self, now_ns: u64) -> Moment {
        let stands = self.fence.stands(now_ns);
        Moment {
            now: engine_now(now_ns),
            fenced: !stands,
            follows: false,
            may_grant: stands,
        }
    }

    pub(crate) fn fault(&self, refused: Refused) -> Fault {
        Fault::Failed(match refused {
            Refused::NotOpen => return Fault::Elsewhere,
            Refused::NotAnInteger => Failure::NotAnInteger,
            Refused::Overflow => Failure::Overflow(
                "the sum leaves the range of 64 bits: Set the key to a smaller number first".into(),
            ),
            Refused::MemoryFull => Failure::MemoryFull,
            Refused::TokenVoid => Failure::FillTokenVoid,
            // Tags were checked before as well.
            Refused::BadTag(why) => why.into(),
            Refused::KeyEmpty => Failure::KeyEmpty,
            // Lengths were checked before; the engine has the last word.
            Refused::KeyTooLong => Failure::KeyTooLong {
                bytes: self.key_bytes_max + 1,
                max: self.key_bytes_max,
            },
            Refused::ValueTooLarge => Failure::ValueTooLarge {
                bytes: self.value_bytes_max + 1,
                max: self.value_bytes_max,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shoal_engine::{Deleted, NotOpen, Position, Refused};

    use super::{Fault, Node, Reader, Wrote};
    use crate::clock::{SystemClock, boottime_ns, engine_now};
    use crate::commit::{Ack, Commit};
    use crate::failure::{Failure, Outcome};
    use crate::settings::Settings;
    use crate::visit::Visit;

    fn node() -> Node {
        let node = Node::new(Settings::small(), None, Arc::new(SystemClock));
        node.fence.set_deadline(boottime_ns() + 3_600_000_000_000);
        open(&node, 1);
        node
    }

    fn open(node: &Node, epoch: u64) {
        let hub = &node.replication.hub;
        hub.open(&node.engine, 0, epoch, "i-c").unwrap();
        node.ownership.open(0, epoch).unwrap();
    }

    const ANY: Reader = Reader::Any {
        at_least: Position { epoch: 0, seq: 0 },
    };

    fn delete(
        node: &Node,
        then: impl FnOnce(Result<Deleted, Refused>) -> Result<Deleted, Refused>,
    ) -> Result<(Deleted, Option<Commit>), Fault> {
        let evaluate = |now| then(node.engine.delete(0, b"k", now));
        let wrote = |gone: &Deleted| Wrote::Seq(gone.version.seq);
        Visit::alone(node).write(0, b"k", Ack::InSync, evaluate, wrote)
    }

    /// What a delete, a read of the primary and a read of any copy are told if
    /// this happens between evaluation and answer.
    fn told_if(happens: impl Fn(&Node)) -> [Option<Failure>; 3] {
        let told = |fault| match fault {
            Fault::Failed(failure) => failure,
            Fault::Elsewhere | Fault::Behind(_) => panic!("it was evaluated here"),
        };
        let write = {
            let node = node();
            let deleted = delete(&node, |deleted| {
                happens(&node);
                deleted
            });
            deleted.map(|_| ()).err()
        };
        let read = |reader| {
            let node = node();
            let read = Visit::alone(&node).read(0, b"k", reader, |moment| {
                let read = node.engine.get(0, b"k", moment.now, |_| ());
                happens(&node);
                read
            });
            read.err()
        };
        [write, read(Reader::Primary), read(ANY)].map(|fault| fault.map(told))
    }

    #[test]
    fn nothing_happens_and_everything_is_answered() {
        assert_eq!(told_if(|_| ()), [None, None, None]);
    }

    #[test]
    fn a_fence_that_falls_meanwhile_leaves_a_write_unknown_and_a_read_refused() {
        let expired = |outcome| Some(Failure::LeaseExpired(outcome));
        let expected = [
            expired(Outcome::MaybeApplied),
            expired(Outcome::NotApplied),
            None,
        ];
        assert_eq!(told_if(|node| node.fence.set_deadline(0)), expected);
        // The partition has gone, and perhaps come back under another epoch.
        let close = |node: &Node| {
            node.ownership.close(0);
            node.replication.hub.close(&node.engine, 0);
        };
        assert_eq!(told_if(close), expected);
        let reopen = |node: &Node| {
            close(node);
            open(node, 2);
        };
        assert_eq!(told_if(reopen), expected);
    }

    #[test]
    fn a_fallen_fence_evaluates_nothing_for_the_primary() {
        let node = node();
        node.fence.set_deadline(0);
        let write = delete(&node, |_| panic!("evaluated behind the fence"));
        assert!(matches!(
            write,
            Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)))
        ));
        let read: Result<((), _), Fault> =
            Visit::alone(&node).read(0, b"k", Reader::Primary, |_| {
                panic!("evaluated behind the fence")
            });
        assert!(matches!(
            read,
            Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)))
        ));
        let stale =
            Visit::alone(&node).read(0, b"k", ANY, |moment| Ok::<_, NotOpen>(moment.fenced));
        assert!(stale.unwrap().0);
    }

    #[test]
    fn a_data_race_with_a_close_looks_elsewhere() {
        let node = node();
        node.engine.close(0);
        let now = engine_now(boottime_ns());
        assert!(node.engine.get(0, b"k", now, |_| ()).is_err());
        let write = delete(&node, |gone| gone);
        assert!(matches!(write, Err(Fault::Elsewhere)));
    }
}
