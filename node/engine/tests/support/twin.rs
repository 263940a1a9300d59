//! The twin: what the engine should hold, in a plain map, with a clock of our own.
//!
//! Where the engine may evict, the twin learns of a loss from the engine's answer:
//! an entry may be missing, but what is there must be exact, and a loss must not come
//! back. A refused write changes nothing in either.
//!
//! Knows no generator of steps: property tests draw them, the fuzzer reads them.

// By its path: the fuzzer includes this file from elsewhere.
#[path = "twin/missing.rs"]
mod missing;

use std::collections::HashMap;

use super::step::{Step, Wanted};
use shoal_engine::{
    Condition, Engine, Eviction, Increment, NotOpen, Now, Refused, SetOutcome, Settings, TagList,
    Version, Write,
};

pub(crate) const PARTITIONS: u32 = 3;
/// The fixed part and some 45 KiB: a few of the larger values fill it.
pub(crate) const TIGHT_BYTES: usize = 56 << 10;
pub(crate) const VALUE_BYTES_MAX: usize = 20_000;
pub(crate) const KEY_BYTES_MAX: usize = 64;
pub(crate) const TAGS: u8 = 5;

#[derive(Clone, Debug)]
struct Stored {
    value: Vec<u8>,
    version: Version,
    deadline_ms: Option<u64>,
    absent: bool,
    fresh_until_ms: Option<u64>,
    /// As [`TagList`] has them.
    tags: Vec<u8>,
}

/// What the twin knows of a partition.
#[derive(Clone, Copy, Debug)]
struct Room {
    epoch: u64,
    seq: u64,
    is_open: bool,
    invalidated_seq: u64,
}

pub(crate) struct Twin {
    map: HashMap<u16, Stored>,
    rooms: [Room; PARTITIONS as usize],
    now_ms: u64,
    may_lose: bool,
    /// How a key is spelled.
    name: fn(u16) -> Vec<u8>,
    hits: u64,
    misses: u64,
}

/// Of an engine for a twin.
pub(crate) fn settings(eviction: Eviction, maxmemory_bytes: usize, hash_seed: u64) -> Settings {
    Settings {
        partition_count: PARTITIONS,
        maxmemory_bytes,
        eviction,
        key_bytes_max: KEY_BYTES_MAX,
        value_bytes_max: VALUE_BYTES_MAX,
        hash_seed,
    }
}

impl Twin {
    /// Of an engine of which every partition is open under this epoch.
    pub(crate) fn new(epoch: u64, may_lose: bool) -> Twin {
        Twin {
            map: HashMap::new(),
            rooms: [Room {
                epoch,
                seq: 0,
                is_open: true,
                invalidated_seq: 0,
            }; PARTITIONS as usize],
            now_ms: 1_000_000,
            may_lose,
            name: spelled_at_length,
            hits: 0,
            misses: 0,
        }
    }

    /// With keys spelled otherwise.
    pub(crate) fn spelling(self, name: fn(u16) -> Vec<u8>) -> Twin {
        Twin { name, ..self }
    }

    /// Applies the step to both and compares what they answer.
    pub(crate) fn apply(&mut self, engine: &Engine, step: &Step) {
        match step {
            Step::Get { key } => self.get(engine, *key),
            Step::Set {
                key,
                value,
                ttl_ms,
                absent,
                condition,
                fresh_ms,
                tags,
            } => {
                let mut numbers = tags.clone();
                numbers.sort_unstable();
                numbers.dedup();
                let tags = TagList::new(numbers.iter().map(std::slice::from_ref)).unwrap();
                let write = Write {
                    value: if *absent { &[] } else { value },
                    ttl_ms: *ttl_ms,
                    absent: *absent,
                    condition: None,
                    fresh_ms: *fresh_ms,
                    tags: tags.tags(),
                };
                self.set(engine, *key, write, *condition, numbers);
            }
            Step::Delete { key } => self.delete(engine, *key),
            Step::Incr {
                key,
                delta,
                initial,
                ttl_ms,
            } => {
                let add = Increment {
                    delta: *delta,
                    initial: *initial,
                    ttl_ms: *ttl_ms,
                };
                self.incr(engine, *key, add);
            }
            Step::Touch { key, ttl_ms } => self.touch(engine, *key, *ttl_ms),
            Step::InvalidateTag { partition, tag } => self.invalidate_tag(engine, *partition, *tag),
            Step::Wait { ms } => self.now_ms += ms,
            Step::Reclaim { partition, budget } => self.reclaim(engine, *partition, *budget),
            Step::Reopen { partition } => {
                if self.rooms[*partition as usize].is_open {
                    self.toggle(engine, *partition);
                }
                self.toggle(engine, *partition);
            }
            Step::Toggle { partition } => self.toggle(engine, *partition),
            Step::BadKey => self.bad_keys(engine),
            Step::Switch { to, budget } => {
                engine.set_eviction(*to);
                assert_eq!(engine.eviction(), *to);
                for partition in 0..PARTITIONS {
                    engine.continue_switch(partition, *budget);
                }
            }
        }
    }

    fn set(&mut self, engine: &Engine, key: u16, write: Write<'_>, wanted: Wanted, tags: Vec<u8>) {
        let known = self.settle(engine, key);
        let condition = self.condition(key, wanted, known.as_ref());
        let has_value = known.as_ref().is_some_and(|k| !k.absent);
        let holds = match condition {
            None => true,
            Some(Condition::IfAbsent) => !has_value,
            Some(Condition::IfPresent) => has_value,
            Some(Condition::IfVersion(wanted)) => {
                known.as_ref().is_some_and(|k| k.version == wanted)
            }
        };
        let write = Write { condition, ..write };
        let outcome = engine.set(
            partition_of(key),
            &(self.name)(key),
            write,
            Now(self.now_ms),
        );
        if write.value.len() > VALUE_BYTES_MAX {
            assert_eq!(outcome, Err(Refused::ValueTooLarge));
            return self.get(engine, key);
        }
        if self.is_closed(key) {
            return assert_eq!(outcome, Err(Refused::NotOpen));
        }
        match outcome {
            Err(refused) => {
                assert_eq!(refused, Refused::MemoryFull);
                assert!(holds, "refused a write that would not have applied");
                self.get(engine, key);
            }
            Ok(SetOutcome::NotApplied(standing)) => {
                // The entry may have been evicted to make room for its successor.
                let was_lost =
                    self.may_lose && standing.is_none() && condition != Some(Condition::IfAbsent);
                if was_lost {
                    self.map.remove(&key);
                } else {
                    assert!(!holds);
                    assert_eq!(standing, known.map(|k| k.version));
                }
            }
            Ok(SetOutcome::Applied(version)) => {
                assert!(holds);
                self.expect_next(key, version);
                let stored = Stored {
                    value: write.value.to_vec(),
                    version,
                    deadline_ms: self.deadline(write.ttl_ms),
                    absent: write.absent,
                    fresh_until_ms: self.deadline(write.fresh_ms),
                    tags,
                };
                self.map.insert(key, stored);
                self.get(engine, key);
            }
        }
    }

    fn condition(&self, key: u16, wanted: Wanted, known: Option<&Stored>) -> Option<Condition> {
        let nobody = Version { epoch: 1, seq: 1 };
        let version = known.map_or(nobody, |known| known.version);
        match wanted {
            Wanted::Nothing => None,
            Wanted::IfAbsent => Some(Condition::IfAbsent),
            Wanted::IfPresent => Some(Condition::IfPresent),
            Wanted::IfVersion { off_by } => {
                let seq = version.seq + off_by;
                Some(Condition::IfVersion(Version { seq, ..version }))
            }
            Wanted::IfVersionOfAnotherEpoch => {
                let epoch = self.rooms[partition_of(key) as usize].epoch - 1;
                Some(Condition::IfVersion(Version { epoch, ..version }))
            }
        }
    }

    fn delete(&mut self, engine: &Engine, key: u16) {
        let known = self.settle(engine, key);
        let deleted = engine.delete(partition_of(key), &(self.name)(key), Now(self.now_ms));
        if self.is_closed(key) {
            return assert_eq!(deleted, Err(Refused::NotOpen));
        }
        let deleted = deleted.unwrap();
        assert_eq!(deleted.existed, known.is_some());
        self.expect_next(key, deleted.version);
        self.map.remove(&key);
        self.get(engine, key);
    }

    fn incr(&mut self, engine: &Engine, key: u16, add: Increment) {
        let known = self.settle(engine, key);
        let answer = engine.incr(partition_of(key), &(self.name)(key), add, Now(self.now_ms));
        if self.is_closed(key) {
            return assert_eq!(answer, Err(Refused::NotOpen));
        }
        if answer == Err(Refused::MemoryFull) {
            return self.get(engine, key);
        }
        let sum_of = |known: Option<&Stored>| {
            let base = match known.filter(|known| !known.absent) {
                Some(known) => number(&known.value).ok_or(Refused::NotAnInteger),
                None => Ok(add.initial),
            };
            base.and_then(|base| base.checked_add(add.delta).ok_or(Refused::Overflow))
        };
        let mut known = known.as_ref();
        if self.may_lose && answer.map(|a| a.value) != sum_of(known) {
            // It was evicted while the writer had let go of the lock, for its own sake.
            known = None;
        }
        let sum = sum_of(known);
        let (deadline_ms, fresh_until_ms, tags) = match known.filter(|known| !known.absent) {
            Some(known) => (known.deadline_ms, known.fresh_until_ms, known.tags.clone()),
            None => (self.deadline(add.ttl_ms), None, Vec::new()),
        };
        assert_eq!(answer.map(|a| a.value), sum);
        if let Ok(answer) = answer {
            self.expect_next(key, answer.version);
            let stored = Stored {
                value: answer.value.to_string().into_bytes(),
                version: answer.version,
                deadline_ms,
                absent: false,
                fresh_until_ms,
                tags,
            };
            self.map.insert(key, stored);
        }
        self.get(engine, key);
    }

    fn touch(&mut self, engine: &Engine, key: u16, ttl_ms: u64) {
        let known = self.settle(engine, key);
        let answer = engine.touch(
            partition_of(key),
            &(self.name)(key),
            ttl_ms,
            Now(self.now_ms),
        );
        if self.is_closed(key) {
            return assert_eq!(answer, Err(Refused::NotOpen));
        }
        match answer {
            Err(refused) => {
                assert_eq!(refused, Refused::MemoryFull);
                self.get(engine, key);
            }
            Ok(None) => {
                assert!(known.is_none() || self.may_lose);
                self.map.remove(&key);
            }
            Ok(Some(version)) => {
                let deadline_ms = self.deadline(ttl_ms);
                let stored = self.map.get_mut(&key).expect("touched what was not there");
                assert_eq!(version, stored.version);
                stored.deadline_ms = deadline_ms;
                self.rooms[partition_of(key) as usize].seq += 1;
                self.get(engine, key);
            }
        }
    }

    fn invalidate_tag(&mut self, engine: &Engine, partition: u32, tag: u8) {
        let answer = engine.invalidate_tag(partition, &[tag], Now(self.now_ms));
        let room = &mut self.rooms[partition as usize];
        if !room.is_open {
            return assert_eq!(answer, Err(Refused::NotOpen));
        }
        room.seq += 1;
        let (epoch, seq) = (room.epoch, room.seq);
        assert_eq!(answer, Ok(Version { epoch, seq }));
        room.invalidated_seq = seq;
        let is_void =
            |key: u16, known: &Stored| partition_of(key) == partition && known.tags.contains(&tag);
        self.map.retain(|&key, known| !is_void(key, known));
    }

    fn reclaim(&mut self, engine: &Engine, partition: u32, budget: usize) {
        let before = engine.stats();
        let reclaimed = engine.reclaim_expired(partition, Now(self.now_ms), budget);
        assert!(reclaimed <= budget);
        let after = engine.stats();
        assert_eq!(after.expired - before.expired, reclaimed as u64);
        assert_eq!(after.evicted, before.evicted);
        assert!(before.entries - after.entries >= reclaimed as u64);
    }

    fn toggle(&mut self, engine: &Engine, partition: u32) {
        let room = &mut self.rooms[partition as usize];
        if room.is_open {
            assert!(engine.open(partition, 1).is_err());
            assert_eq!(engine.epoch(partition), Some(room.epoch));
            assert!(engine.close(partition));
            self.map.retain(|&key, _| partition_of(key) != partition);
        } else {
            room.epoch += 1;
            room.seq = 0;
            engine.open(partition, room.epoch).unwrap();
        }
        room.is_open = !room.is_open;
        if !room.is_open {
            assert!(!engine.close(partition));
            assert_eq!(engine.epoch(partition), None);
            assert_eq!(engine.reclaim_expired(partition, Now(self.now_ms), 1), 0);
        }
    }

    fn bad_keys(&self, engine: &Engine) {
        let now = Now(self.now_ms);
        let long = vec![b'k'; KEY_BYTES_MAX + 1];
        for (key, expected) in [(&[][..], Refused::KeyEmpty), (&long, Refused::KeyTooLong)] {
            let write = Write {
                value: b"v",
                ttl_ms: 0,
                absent: false,
                condition: None,
                ..Write::default()
            };
            let add = Increment {
                delta: 1,
                initial: 0,
                ttl_ms: 0,
            };
            assert_eq!(engine.set(0, key, write, now), Err(expected));
            assert_eq!(engine.delete(0, key, now), Err(expected));
            assert_eq!(engine.incr(0, key, add, now), Err(expected));
            assert_eq!(engine.touch(0, key, 1, now), Err(expected));
        }
    }

    /// Reads the key from both and compares. Returns what is there.
    fn settle(&mut self, engine: &Engine, key: u16) -> Option<Stored> {
        self.get(engine, key);
        self.map.get(&key).cloned()
    }

    fn get(&mut self, engine: &Engine, key: u16) {
        let now_ms = self.now_ms;
        let deadline_ms = self.map.get(&key).and_then(|stored| stored.deadline_ms);
        if deadline_ms.is_some_and(|at| at <= now_ms) {
            self.map.remove(&key);
        }
        let (partition, name) = (partition_of(key), (self.name)(key));
        let read = |entry: shoal_engine::Entry<'_>| {
            // Who looks ahead for others finds the partition taken: the next reads of it
            // go in side by side, where they can.
            if key.is_multiple_of(2) {
                engine.chain_at(partition, engine.hash(&name));
            }
            (
                entry.value.to_vec(),
                entry.version,
                entry.ttl_ms,
                entry.absent,
                entry.fresh_ms,
            )
        };
        let found = engine.get(partition, &name, Now(now_ms), read);
        if self.is_closed(key) {
            return assert_eq!(found, Err(NotOpen));
        }
        let Some((value, version, ttl_ms, absent, fresh_ms)) = found.unwrap() else {
            assert!(self.may_miss(engine, key), "lost {key}");
            self.misses += 1;
            self.map.remove(&key);
            return;
        };
        self.hits += 1;
        let Some(known) = self.map.get(&key) else {
            panic!("{key} came back")
        };
        assert_eq!(
            (&value, version, absent),
            (&known.value, known.version, known.absent)
        );
        // Times of more than 34 years are cut.
        let is_left = |told: u64, until_ms: u64| match until_ms.saturating_sub(now_ms) {
            left if left > (1 << 39) => told > 0 && told <= left,
            left => told == left,
        };
        assert!(is_left(ttl_ms, known.deadline_ms.unwrap_or(now_ms)));
        assert_eq!(fresh_ms.is_some(), known.fresh_until_ms.is_some());
        assert!(is_left(
            fresh_ms.unwrap_or(0),
            known.fresh_until_ms.unwrap_or(now_ms)
        ));
    }

    fn expect_next(&mut self, key: u16, version: Version) {
        let room = &mut self.rooms[partition_of(key) as usize];
        room.seq += 1;
        assert_eq!((version.epoch, version.seq), (room.epoch, room.seq));
    }

    fn is_closed(&self, key: u16) -> bool {
        !self.rooms[partition_of(key) as usize].is_open
    }

    fn deadline(&self, ttl_ms: u64) -> Option<u64> {
        (ttl_ms > 0).then(|| self.now_ms.saturating_add(ttl_ms))
    }
}

fn partition_of(key: u16) -> u32 {
    u32::from(key) % PARTITIONS
}

fn spelled_at_length(key: u16) -> Vec<u8> {
    let mut name = format!("key-{key}").into_bytes();
    name.resize(8 + usize::from(key % 40), b'.');
    if key % 40 == 39 {
        name.resize(KEY_BYTES_MAX, b'.');
    }
    name
}

fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
