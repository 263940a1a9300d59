//! A primary and its followers, on one clock, against what a plain map says they hold.
//!
//! The map learns from answers. It is kept for every position, so that a copy can be
//! compared wherever it is: what it shows must be exactly what was there at its position,
//! with that version and what is left of that time to live.

use std::collections::{BTreeMap, HashMap};

use shoal_engine::{
    Applied, ApplyError, Condition, Engine, Eviction, Increment, Join, LogCursor, Now, Position,
    ReadError, RequestId, Role, SetOutcome, Settings, SnapshotCursor, TagList, Version, Write,
};

use super::act::Act;

pub(crate) const NODES: usize = 3;
pub(crate) const KEYS: u8 = 24;
pub(crate) const TAGS: u8 = 4;

#[derive(Clone, Debug, PartialEq)]
struct Known {
    value: Vec<u8>,
    version: Version,
    deadline_ms: Option<u64>,
    absent: bool,
    fresh_until_ms: Option<u64>,
    /// Not compared: nobody is shown these.
    tags: Tagged,
}

#[derive(Clone, Debug, Default)]
struct Tagged(Vec<u8>);

impl PartialEq for Tagged {
    fn eq(&self, _: &Tagged) -> bool {
        true
    }
}

/// What was at one position.
#[derive(Clone, Debug, Default)]
struct Moment {
    entries: BTreeMap<u8, Known>,
    /// By key and id.
    requests: HashMap<(u8, u8), (Version, Option<i64>)>,
}

enum Stream {
    None,
    Log(LogCursor),
    Snapshot(SnapshotCursor),
}

pub(crate) struct Group {
    engines: Vec<Engine>,
    streams: Vec<Stream>,
    primary: usize,
    epoch: u64,
    now_ms: u64,
    /// The primary's.
    moment: Moment,
    past: HashMap<Position, Moment>,
    may_lose: bool,
    pub(crate) snapshots: usize,
    pub(crate) continued: usize,
}

impl Group {
    pub(crate) fn new(maxmemory_bytes: usize, may_lose: bool, keeps_logs: bool) -> Group {
        let engines: Vec<Engine> = (0..NODES as u64)
            .map(|seed| {
                Engine::new(Settings {
                    partition_count: 2,
                    maxmemory_bytes,
                    eviction: Eviction::S3Fifo,
                    key_bytes_max: 64,
                    value_bytes_max: 20_000,
                    hash_seed: seed,
                })
            })
            .collect();
        engines[0].open(0, 1).unwrap();
        for (number, engine) in engines.iter().enumerate() {
            if number > 0 {
                engine.open_follower(0).unwrap();
            }
            if keeps_logs {
                engine.keep_log(0, true).unwrap();
            }
            // The other one has a time of its own since long before.
            let long_ago = Now(number as u64 * 77_777);
            assert_eq!(engine.get(0, b"key", long_ago, |_| ()), Ok(None));
        }
        Group {
            engines,
            streams: (0..NODES).map(|_| Stream::None).collect(),
            primary: 0,
            epoch: 1,
            now_ms: 1_000_000,
            moment: Moment::default(),
            past: HashMap::from([(Position::NOTHING, Moment::default())]),
            may_lose,
            snapshots: 0,
            continued: 0,
        }
    }

    pub(crate) fn act(&mut self, act: &Act) {
        match act {
            Act::Set {
                key,
                value,
                ttl_ms,
                absent,
                if_version,
                id,
                fresh_ms,
                tags,
            } => {
                let list = TagList::new(tags.iter().map(std::slice::from_ref)).unwrap();
                let write = Write {
                    value: if *absent { &[] } else { value },
                    ttl_ms: *ttl_ms,
                    absent: *absent,
                    condition: None,
                    fresh_ms: *fresh_ms,
                    tags: list.tags(),
                };
                self.set(*key, write, *if_version, *id);
            }
            Act::Incr { key, delta, id } => self.incr(*key, *delta, *id),
            Act::Delete { key } => {
                let deleted = self.primary().delete(0, &name(*key), self.now()).unwrap();
                self.moment.entries.remove(key);
                self.remember(deleted.version.seq);
            }
            Act::Touch { key, ttl_ms } => {
                let touched = self.primary().touch(0, &name(*key), *ttl_ms, self.now());
                if let Ok(Some(version)) = touched {
                    let deadline_ms = self.deadline(*ttl_ms);
                    let known = self.moment.entries.get_mut(key).expect("it was there");
                    assert_eq!(known.version, version);
                    known.deadline_ms = deadline_ms;
                    let head = self.primary().position(0).unwrap().seq;
                    self.remember(head);
                }
            }
            Act::Invalidate { tag } => {
                let version = self.primary().invalidate_tag(0, &[*tag], self.now());
                let stays = |known: &Known| !known.tags.0.contains(tag);
                self.moment.entries.retain(|_, known| stays(known));
                self.remember(version.unwrap().seq);
            }
            Act::Wait { ms } => self.now_ms += ms,
            Act::Reclaim => {
                for (node, engine) in self.engines.iter().enumerate() {
                    let reclaimed = engine.reclaim(0, self.now(), 5);
                    assert!(node == self.primary || reclaimed.entries == 0);
                }
            }
            Act::Ship {
                to,
                budget,
                is_lost,
            } => self.ship(*to, *budget, *is_lost),
            Act::Break { to } => self.streams[*to] = Stream::None,
            Act::Discard { to } => {
                let is_follower = *to != self.primary;
                assert_eq!(self.engines[*to].discard(0), is_follower);
            }
            Act::LimitLog { bytes } => self.engines.iter().for_each(|it| it.limit_log(*bytes)),
            Act::Promote { to, late_writes } => self.promote(*to, *late_writes),
        }
    }

    fn set(&mut self, key: u8, write: Write<'_>, if_version: bool, id: Option<u8>) {
        let known = self.moment.entries.get(&key).filter(|_| if_version);
        let condition = known.map(|known| Condition::IfVersion(known.version));
        let write = Write { condition, ..write };
        let bytes = id.map(|id| [b's', id]);
        let request = bytes.as_ref().and_then(|bytes| RequestId::new(bytes));
        let answer = self
            .primary()
            .set_once(0, &name(key), write, request, self.now());
        let Ok(once) = answer else {
            return assert!(self.may_lose, "{answer:?}");
        };
        let before = id.and_then(|id| self.moment.requests.get(&(key, id)).copied());
        if once.repeated {
            let (version, number) = before.expect("it was applied before");
            assert_eq!((once.outcome, number), (SetOutcome::Applied(version), None));
            return;
        }
        assert!(before.is_none() || self.may_lose, "{id:?} counted twice");
        let SetOutcome::Applied(version) = once.outcome else {
            return;
        };
        assert_eq!(version.epoch, self.epoch);
        let known = Known {
            value: write.value.to_vec(),
            version,
            deadline_ms: self.deadline(write.ttl_ms),
            absent: write.absent,
            fresh_until_ms: self.deadline(write.fresh_ms),
            tags: Tagged(write.tags.iter().flatten().copied().collect()),
        };
        self.moment.entries.insert(key, known);
        if let Some(id) = id {
            self.moment.requests.insert((key, id), (version, None));
        }
        self.remember(version.seq);
    }

    fn incr(&mut self, key: u8, delta: i8, id: Option<u8>) {
        let key = key | 0x80;
        let add = Increment {
            delta: delta.into(),
            initial: 0,
            ttl_ms: 0,
        };
        let id = id.map(|id| id | 0x80);
        let bytes = id.map(|id| [b'i', id, id, id]);
        let request = bytes.as_ref().and_then(|bytes| RequestId::new(bytes));
        let answer = self
            .primary()
            .incr_once(0, &name(key), add, request, self.now());
        let Ok(once) = answer else {
            return assert!(self.may_lose, "{answer:?}");
        };
        let before = id.and_then(|id| self.moment.requests.get(&(key, id)).copied());
        if once.repeated {
            let expected = before.expect("it was applied before");
            assert_eq!((once.outcome.version, Some(once.outcome.value)), expected);
            return;
        }
        assert!(before.is_none() || self.may_lose, "{id:?} counted twice");
        let base = self.moment.entries.get(&key).map_or(0, |known| {
            std::str::from_utf8(&known.value)
                .unwrap()
                .parse::<i64>()
                .unwrap()
        });
        assert!(self.may_lose || once.outcome.value == base + i64::from(delta));
        let known = Known {
            value: once.outcome.value.to_string().into_bytes(),
            version: once.outcome.version,
            deadline_ms: None,
            absent: false,
            fresh_until_ms: None,
            tags: Tagged::default(),
        };
        self.moment.entries.insert(key, known);
        if let Some(id) = id {
            let result = (once.outcome.version, Some(once.outcome.value));
            self.moment.requests.insert((key, id), result);
        }
        self.remember(once.outcome.version.seq);
    }

    fn remember(&mut self, seq: u64) {
        let position = self.primary().position(0).unwrap();
        assert_eq!(
            position,
            Position {
                epoch: self.epoch,
                seq
            }
        );
        self.past.insert(position, self.moment.clone());
    }

    /// Sends one batch. False: there is nothing to send.
    fn ship_one(&mut self, to: usize, budget: usize, is_lost: bool) -> bool {
        if to == self.primary {
            return false;
        }
        let now = self.now();
        let (primary, follower) = (&self.engines[self.primary], &self.engines[to]);
        if matches!(self.streams[to], Stream::None) {
            let position = follower.position(0).unwrap();
            self.streams[to] = match primary.join(0, position).unwrap() {
                Join::Log(cursor) => {
                    if position == Position::NOTHING {
                        follower.discard(0);
                    }
                    self.continued += usize::from(position != Position::NOTHING);
                    Stream::Log(cursor)
                }
                Join::Snapshot(cursor) => {
                    assert!(follower.discard(0));
                    self.snapshots += 1;
                    Stream::Snapshot(cursor)
                }
            };
        }
        let mut batch = Vec::new();
        let (read, upto_seq, is_done) = match &mut self.streams[to] {
            Stream::None => unreachable!("it was joined"),
            Stream::Log(cursor) => match primary.read_log(0, cursor, budget, now, &mut batch) {
                Ok(sent) => (Ok(()), sent.upto_seq, false),
                Err(error) => (Err(error), 0, false),
            },
            Stream::Snapshot(cursor) => {
                match primary.read_snapshot(0, cursor, budget, now, &mut batch) {
                    Ok(sent) => (Ok(()), sent.upto_seq, sent.is_done),
                    Err(error) => (Err(error), 0, false),
                }
            }
        };
        if let Err(error) = read {
            assert_eq!(error, ReadError::Truncated);
            self.streams[to] = Stream::None;
            return true;
        }
        if is_done {
            let Stream::Snapshot(cursor) = std::mem::replace(&mut self.streams[to], Stream::None)
            else {
                unreachable!("a log is never done");
            };
            self.streams[to] = Stream::Log(cursor.into_log());
        }
        if batch.is_empty() {
            // The last that was sent may have been lost, as the follower will tell.
            let is_behind = follower.position(0) != primary.position(0);
            if is_behind {
                self.streams[to] = Stream::None;
            }
            return is_behind;
        }
        if is_lost {
            return true;
        }
        let before = follower.position(0);
        match follower.apply(0, &batch, now) {
            Ok(Applied {
                position,
                was_restored,
            }) => {
                assert_eq!(was_restored, is_done);
                let is_restoring = follower.role(0) == Some(Role::Restoring);
                assert!(is_restoring || position.seq == upto_seq);
                assert_eq!(follower.position(0), Some(position));
            }
            Err(error) => {
                // Something before it was lost.
                assert_eq!(error, ApplyError::Gap);
                assert_eq!(follower.position(0), before);
                self.streams[to] = Stream::None;
            }
        }
        true
    }

    fn ship(&mut self, to: usize, budget: usize, is_lost: bool) {
        self.ship_one(to, budget, is_lost);
        self.check(to);
    }

    fn promote(&mut self, to: usize, late_writes: u8) {
        let old = self.primary;
        if to == old || self.engines[to].role(0) == Some(Role::Restoring) {
            if to != old {
                assert!(self.engines[to].promote(0, self.epoch + 1).is_err());
            }
            return;
        }
        let position = self.engines[to].promote(0, self.epoch + 1).unwrap();
        for number in 0..late_writes {
            // Nobody else will ever have these.
            let late = Write {
                value: b"late",
                ..Write::default()
            };
            self.set(number % KEYS, late, false, None);
        }
        let known = self.past.get(&position).expect("a position that was");
        self.moment = known.clone();
        self.engines[old].demote(0).unwrap();
        self.streams = (0..NODES).map(|_| Stream::None).collect();
        self.primary = to;
        self.epoch += 1;
        self.check(to);
    }

    /// Brings everybody up to date and compares.
    pub(crate) fn settle(&mut self) {
        for to in 0..NODES {
            let mut rounds = 0;
            while self.ship_one(to, 300, false) {
                rounds += 1;
                assert!(rounds < 100_000, "it never ends");
            }
            assert_eq!(
                self.engines[to].role(0) == Some(Role::Primary),
                to == self.primary
            );
            assert_eq!(self.engines[to].position(0), self.primary().position(0));
            self.check(to);
        }
    }

    /// Compares a copy with what was at its position.
    pub(crate) fn check(&self, node: usize) {
        let engine = &self.engines[node];
        engine.validate(0).unwrap();
        assert!(engine.used_bytes() <= engine.limit_bytes());
        if engine.role(0) == Some(Role::Restoring) {
            assert!(engine.get(0, b"key", self.now(), |_| ()).is_err());
            return;
        }
        let position = engine.position(0).unwrap();
        let moment = self.past.get(&position).expect("a position that was");
        for key in (0..KEYS).chain(0x80..0x80 + KEYS) {
            let found = engine.get(0, &name(key), self.now(), |entry| Known {
                value: entry.value.to_vec(),
                version: entry.version,
                deadline_ms: (entry.ttl_ms > 0).then(|| self.now_ms + entry.ttl_ms),
                absent: entry.absent,
                fresh_until_ms: entry.fresh_ms.map(|left_ms| self.now_ms + left_ms),
                tags: Tagged::default(),
            });
            let alive = |known: &&Known| known.deadline_ms.is_none_or(|at| at > self.now_ms);
            let expected = moment.entries.get(&key).filter(alive).cloned();
            let expected = expected.map(|known| Known {
                // What is over tells no more.
                fresh_until_ms: known.fresh_until_ms.map(|until| until.max(self.now_ms)),
                ..known
            });
            let found = found.unwrap();
            let is_lost = self.may_lose && found.is_none();
            assert!(
                is_lost || found == expected,
                "key {key} of node {node} at {position:?}: {found:?}, not {expected:?}"
            );
        }
    }

    fn primary(&self) -> &Engine {
        &self.engines[self.primary]
    }

    fn now(&self) -> Now {
        Now(self.now_ms)
    }

    fn deadline(&self, ttl_ms: u64) -> Option<u64> {
        (ttl_ms > 0).then(|| self.now_ms + ttl_ms)
    }
}

fn name(key: u8) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}
