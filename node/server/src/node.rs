//! One node, as its requests see it: everything they share, and the two ways to
//! the engine.
//!
//! [`Node::read`] and [`Node::write`] are the only ways, because they keep the
//! order that makes an answer true: enter the partition, check the fence,
//! evaluate, check fence and epoch again, answer.

use std::sync::Arc;

use shoal_engine::{Engine, NotOpen, Now, Refused};
use tokio::sync::watch;

use crate::clock::{Clock, engine_now};
use crate::counters::Counters;
use crate::failure::{Failure, Outcome};
use crate::fence::Fence;
use crate::forward::Peers;
use crate::introspection::{Introspection, span};
use crate::ownership::{Ownership, State};
use crate::settings::{Limits, Settings};
use crate::slot::partition_of;
use crate::sync::AtomicUsize;
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
    pub(crate) topology: Topology,
    pub(crate) counters: Counters,
    pub(crate) introspection: Introspection,
    pub(crate) peers: Peers,
    pub(crate) parked: AtomicUsize,
    pub(crate) watchers: AtomicUsize,
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
    /// It failed, here and for good.
    Failed(Failure),
}

/// Which copies may answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The primary under its lease.
    Primary,
    /// Whoever has the partition, lease or not.
    Any,
}

/// When and how an evaluation takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    /// The lease has run out: what is read may be stale.
    pub(crate) fenced: bool,
}

/// Completes when the node stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Node {
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Node {
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
            ownership: Ownership::new(settings.partition_count),
            topology: Topology::new(settings.partition_count),
            counters: Counters::default(),
            introspection: Introspection::default(),
            peers: Peers::new(&settings.limits),
            limits: settings.limits,
            parked: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
            held_bytes: std::sync::atomic::AtomicUsize::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    pub(crate) fn partition_of(&self, key: &[u8]) -> u32 {
        partition_of(key, self.partition_count)
    }

    /// Read from the partition.
    ///
    /// What `evaluate` has written is void unless this returns `Ok`.
    pub(crate) fn read<R>(
        &self,
        partition: u32,
        reader: Reader,
        evaluate: impl FnOnce(Moment) -> Result<R, NotOpen>,
    ) -> Result<R, Fault> {
        if reader == Reader::Any {
            return self.read_any(partition, evaluate);
        }
        let guard = self.ownership.enter(partition).ok_or(Fault::Elsewhere)?;
        let expired = || Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied));
        let moment = self.entered();
        if moment.fenced {
            return Err(expired());
        }
        let answer = evaluate(moment).map_err(|NotOpen| Fault::Elsewhere)?;
        if self.moment().fenced || !guard.holds() {
            return Err(expired());
        }
        Ok(answer)
    }

    /// May be stale, so that neither a frozen partition nor the fence matters.
    fn read_any<R>(
        &self,
        partition: u32,
        evaluate: impl FnOnce(Moment) -> Result<R, NotOpen>,
    ) -> Result<R, Fault> {
        if self.ownership.state(partition) == State::Closed {
            return Err(Fault::Elsewhere);
        }
        evaluate(self.moment()).map_err(|NotOpen| Fault::Elsewhere)
    }

    /// Write to the partition.
    pub(crate) fn write<R>(
        &self,
        partition: u32,
        evaluate: impl FnOnce(Now) -> Result<R, Refused>,
    ) -> Result<R, Fault> {
        let guard = self.ownership.enter(partition).ok_or(Fault::Elsewhere)?;
        let moment = self.entered();
        if moment.fenced {
            return Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)));
        }
        let answer = evaluate(moment.now).map_err(|refused| self.fault(refused))?;
        if self.moment().fenced || !guard.holds() {
            return Err(Fault::Failed(Failure::LeaseExpired(Outcome::MaybeApplied)));
        }
        Ok(answer)
    }

    /// When an operation enters. After another one of the same batch, that is when that
    /// one was about to be answered: the clock need not be read again.
    fn entered(&self) -> Moment {
        match span::of_this_request_ns() {
            Some(now_ns) => self.moment_at(now_ns),
            None => self.moment(),
        }
    }

    fn moment(&self) -> Moment {
        let now_ns = self.clock.boottime_ns();
        span::tick(now_ns);
        self.moment_at(now_ns)
    }

    fn moment_at(&self, now_ns: u64) -> Moment {
        Moment {
            now: engine_now(now_ns),
            fenced: !self.fence.stands(now_ns),
        }
    }

    fn fault(&self, refused: Refused) -> Fault {
        Fault::Failed(match refused {
            Refused::NotOpen => return Fault::Elsewhere,
            Refused::NotAnInteger => Failure::NotAnInteger,
            Refused::Overflow => Failure::Overflow(
                "the sum leaves the range of 64 bits: Set the key to a smaller number first".into(),
            ),
            Refused::MemoryFull => Failure::MemoryFull,
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

    use shoal_engine::{Deleted, NotOpen};

    use super::{Fault, Node, Reader};
    use crate::clock::{SystemClock, boottime_ns, engine_now};
    use crate::failure::{Failure, Outcome};
    use crate::settings::{Limits, Settings};

    fn node() -> Node {
        let settings = Settings {
            node_id: "a".into(),
            listen: String::new(),
            partition_count: 1,
            maxmemory_bytes: 1 << 24,
            value_bytes_max: 1024,
            key_bytes_max: 64,
            eviction: shoal_engine::Eviction::S3Fifo,
            hash_seed: 1,
            limits: Limits::default(),
        };
        let node = Node::new(settings, Arc::new(SystemClock));
        node.fence.set_deadline(boottime_ns() + 3_600_000_000_000);
        node.engine.open(0, 1).unwrap();
        node.ownership.open(0, 1).unwrap();
        node
    }

    /// What a delete, a read of the primary and a read of any copy are told if
    /// this happens between evaluation and answer.
    fn told_if(happens: impl Fn(&Node)) -> [Option<Failure>; 3] {
        let told = |fault| match fault {
            Fault::Failed(failure) => failure,
            Fault::Elsewhere => panic!("it was evaluated here"),
        };
        let write = {
            let node = node();
            let deleted = node.write(0, |now| {
                let deleted = node.engine.delete(0, b"k", now);
                happens(&node);
                deleted
            });
            deleted.map(|Deleted { .. }| ()).err()
        };
        let read = |reader| {
            let node = node();
            let read = node.read(0, reader, |moment| {
                let read = node.engine.get(0, b"k", moment.now, |_| ());
                happens(&node);
                read
            });
            read.err()
        };
        [write, read(Reader::Primary), read(Reader::Any)].map(|fault| fault.map(told))
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
            node.engine.close(0);
        };
        assert_eq!(told_if(close), expected);
        let reopen = |node: &Node| {
            close(node);
            node.engine.open(0, 2).unwrap();
            node.ownership.open(0, 2).unwrap();
        };
        assert_eq!(told_if(reopen), expected);
    }

    #[test]
    fn a_fallen_fence_evaluates_nothing_for_the_primary() {
        let node = node();
        node.fence.set_deadline(0);
        let write: Result<(), Fault> = node.write(0, |_| panic!("evaluated behind the fence"));
        assert!(matches!(
            write,
            Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)))
        ));
        let read: Result<(), Fault> =
            node.read(0, Reader::Primary, |_| panic!("evaluated behind the fence"));
        assert!(matches!(
            read,
            Err(Fault::Failed(Failure::LeaseExpired(Outcome::NotApplied)))
        ));
        let stale = node.read(0, Reader::Any, |moment| Ok::<_, NotOpen>(moment.fenced));
        assert!(stale.unwrap());
    }

    #[test]
    fn a_data_race_with_a_close_looks_elsewhere() {
        let node = node();
        node.engine.close(0);
        let now = engine_now(boottime_ns());
        assert!(node.engine.get(0, b"k", now, |_| ()).is_err());
        let write = node.write(0, |now| node.engine.delete(0, b"k", now));
        assert!(matches!(write, Err(Fault::Elsewhere)));
    }
}
