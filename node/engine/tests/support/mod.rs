//! The twin: what the engine should hold, in a plain map.
//!
//! Where the engine may evict, the twin learns of a loss from the engine's answer:
//! an entry may be missing, but what is there must be exact, and a loss must not come
//! back. A refused write changes nothing in either.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::collections::HashMap;

use proptest::prelude::*;
use shoal_engine::{Condition, Engine, Increment, Now, Refused, SetOutcome, Version, Write};

pub(crate) const PARTITIONS: u32 = 2;
/// The fixed part and some 30 KiB: a few of the larger values fill it.
pub(crate) const TIGHT_BYTES: usize = 40 << 10;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Get {
        key: u16,
    },
    Set {
        key: u16,
        value: Vec<u8>,
        ttl_ms: u64,
        absent: bool,
        condition: Wanted,
    },
    Delete {
        key: u16,
    },
    Incr {
        key: u16,
        delta: i64,
        initial: i64,
        ttl_ms: u64,
    },
    Touch {
        key: u16,
        ttl_ms: u64,
    },
    Wait {
        ms: u64,
    },
    Reclaim {
        partition: u32,
        budget: usize,
    },
    Reopen {
        partition: u32,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Nothing,
    IfAbsent,
    IfPresent,
    /// The version that the twin knows, or one that is off by this.
    IfVersion {
        off_by: u64,
    },
}

pub(crate) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let key = 0..40_u16;
    let ttl_ms = prop_oneof![
        4 => Just(0_u64), 4 => 1..300_u64, 3 => 1..20_000_u64, 1 => 1..10_000_000_000_u64, 1 => Just(u64::MAX),
    ];
    let value = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..40),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => Just(i64::MAX.to_string().into_bytes()),
        3 => (any::<u8>(), 0..1000_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 3000..20_000_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let condition = prop_oneof![
        6 => Just(Wanted::Nothing),
        1 => Just(Wanted::IfAbsent),
        1 => Just(Wanted::IfPresent),
        2 => (0..2_u64).prop_map(|off_by| Wanted::IfVersion { off_by }),
    ];
    let number = prop_oneof![-3..4_i64, Just(i64::MAX), Just(i64::MIN), any::<i64>()];
    let step = prop_oneof![
        6 => key.clone().prop_map(|key| Step::Get { key }),
        8 => (key.clone(), value, ttl_ms.clone(), prop::bool::weighted(0.1), condition).prop_map(
            |(key, value, ttl_ms, absent, condition)| Step::Set { key, value, ttl_ms, absent, condition }
        ),
        3 => key.clone().prop_map(|key| Step::Delete { key }),
        3 => (key.clone(), number.clone(), number, ttl_ms.clone())
            .prop_map(|(key, delta, initial, ttl_ms)| Step::Incr { key, delta, initial, ttl_ms }),
        2 => (key, ttl_ms).prop_map(|(key, ttl_ms)| Step::Touch { key, ttl_ms }),
        2 => prop_oneof![0..100_u64, 0..10_000_u64, 0..5_000_000_000_u64].prop_map(|ms| Step::Wait { ms }),
        2 => (0..PARTITIONS, 0..8_usize).prop_map(|(partition, budget)| Step::Reclaim { partition, budget }),
        1 => (0..PARTITIONS).prop_map(|partition| Step::Reopen { partition }),
    ];
    prop::collection::vec(step, 1..count)
}

#[derive(Clone, Debug)]
struct Stored {
    value: Vec<u8>,
    version: Version,
    deadline_ms: Option<u64>,
    absent: bool,
}

pub(crate) struct Twin {
    map: HashMap<u16, Stored>,
    epoch: u64,
    seqs: [u64; PARTITIONS as usize],
    now_ms: u64,
    may_lose: bool,
}

impl Twin {
    pub(crate) fn new(epoch: u64, may_lose: bool) -> Twin {
        Twin {
            map: HashMap::new(),
            epoch,
            seqs: [0; PARTITIONS as usize],
            now_ms: 1_000_000,
            may_lose,
        }
    }

    /// Applies the step to both and compares what they answer.
    pub(crate) fn apply(&mut self, engine: &Engine, step: &Step) {
        let now = Now(self.now_ms);
        match step {
            Step::Get { key } => self.get(engine, *key),
            Step::Set {
                key,
                value,
                ttl_ms,
                absent,
                condition,
            } => {
                let known = self.settle(engine, *key);
                let value = if *absent { &[][..] } else { &value[..] };
                let condition = match *condition {
                    Wanted::Nothing => None,
                    Wanted::IfAbsent => Some(Condition::IfAbsent),
                    Wanted::IfPresent => Some(Condition::IfPresent),
                    Wanted::IfVersion { off_by } => {
                        let version = known
                            .as_ref()
                            .map_or(Version { epoch: 1, seq: 1 }, |k| k.version);
                        Some(Condition::IfVersion(Version {
                            seq: version.seq + off_by,
                            ..version
                        }))
                    }
                };
                let has_value = known.as_ref().is_some_and(|k| !k.absent);
                let holds = match condition {
                    None => true,
                    Some(Condition::IfAbsent) => !has_value,
                    Some(Condition::IfPresent) => has_value,
                    Some(Condition::IfVersion(wanted)) => {
                        known.as_ref().is_some_and(|k| k.version == wanted)
                    }
                };
                let write = Write {
                    value,
                    ttl_ms: *ttl_ms,
                    absent: *absent,
                    condition,
                };
                match engine.set(partition_of(*key), &name(*key), write, now) {
                    Err(refused) => {
                        assert_eq!(refused, Refused::MemoryFull);
                        assert!(holds, "refused a write that would not have applied");
                        self.get(engine, *key);
                    }
                    Ok(SetOutcome::NotApplied(standing)) => {
                        // The entry may have been evicted to make room for its successor.
                        let was_lost = self.may_lose
                            && standing.is_none()
                            && condition != Some(Condition::IfAbsent);
                        if was_lost {
                            self.map.remove(key);
                        } else {
                            assert!(!holds);
                            assert_eq!(standing, known.map(|k| k.version));
                        }
                    }
                    Ok(SetOutcome::Applied(version)) => {
                        assert!(holds);
                        self.expect_next(*key, version);
                        let stored = Stored {
                            value: value.to_vec(),
                            version,
                            deadline_ms: self.deadline(*ttl_ms),
                            absent: *absent,
                        };
                        self.map.insert(*key, stored);
                        self.get(engine, *key);
                    }
                }
            }
            Step::Delete { key } => {
                let known = self.settle(engine, *key);
                let deleted = engine.delete(partition_of(*key), &name(*key), now).unwrap();
                assert_eq!(deleted.existed, known.is_some());
                self.expect_next(*key, deleted.version);
                self.map.remove(key);
            }
            Step::Incr {
                key,
                delta,
                initial,
                ttl_ms,
            } => {
                let known = self.settle(engine, *key);
                let add = Increment {
                    delta: *delta,
                    initial: *initial,
                    ttl_ms: *ttl_ms,
                };
                let answer = engine.incr(partition_of(*key), &name(*key), add, now);
                if answer == Err(Refused::MemoryFull) {
                    return self.get(engine, *key);
                }
                let (base, deadline_ms) = match known.as_ref().filter(|k| !k.absent) {
                    Some(known) => (
                        number(&known.value).ok_or(Refused::NotAnInteger),
                        known.deadline_ms,
                    ),
                    None => (Ok(*initial), self.deadline(*ttl_ms)),
                };
                let sum = base.and_then(|base| base.checked_add(*delta).ok_or(Refused::Overflow));
                assert_eq!(answer.map(|a| a.value), sum);
                let Ok(answer) = answer else { return };
                self.expect_next(*key, answer.version);
                let value = answer.value.to_string().into_bytes();
                let stored = Stored {
                    value,
                    version: answer.version,
                    deadline_ms,
                    absent: false,
                };
                self.map.insert(*key, stored);
                self.get(engine, *key);
            }
            Step::Touch { key, ttl_ms } => {
                let known = self.settle(engine, *key);
                match engine.touch(partition_of(*key), &name(*key), *ttl_ms, now) {
                    Err(refused) => {
                        assert_eq!(refused, Refused::MemoryFull);
                        self.get(engine, *key);
                    }
                    Ok(None) => {
                        assert!(known.is_none() || self.may_lose);
                        self.map.remove(key);
                    }
                    Ok(Some(version)) => {
                        let deadline_ms = self.deadline(*ttl_ms);
                        let stored = self.map.get_mut(key).expect("touched what was not there");
                        assert_eq!(version, stored.version);
                        stored.deadline_ms = deadline_ms;
                        self.seqs[partition_of(*key) as usize] += 1;
                    }
                }
            }
            Step::Wait { ms } => self.now_ms += ms,
            Step::Reclaim { partition, budget } => {
                let before = engine.stats();
                let reclaimed = engine.reclaim_expired(*partition, now, *budget);
                assert!(reclaimed <= *budget);
                let after = engine.stats();
                assert_eq!(after.expired - before.expired, reclaimed as u64);
                assert_eq!(after.evicted, before.evicted);
                assert_eq!(before.entries - after.entries, reclaimed as u64);
            }
            Step::Reopen { partition } => {
                assert!(engine.open(*partition, 1).is_err());
                assert!(engine.close(*partition));
                assert!(!engine.close(*partition));
                assert_eq!(engine.epoch(*partition), None);
                self.epoch += 1;
                engine.open(*partition, self.epoch).unwrap();
                self.map.retain(|&key, _| partition_of(key) != *partition);
                self.seqs[*partition as usize] = 0;
            }
        }
    }

    /// Every counter that the twin can know, where nothing is lost.
    pub(crate) fn check_counts(&mut self, engine: &Engine) {
        for partition in 0..PARTITIONS {
            while engine.reclaim_expired(partition, Now(self.now_ms + 128), usize::MAX) > 0 {}
        }
        let live = self
            .map
            .values()
            .filter(|s| s.deadline_ms.is_none_or(|at| at > self.now_ms + 128));
        let (live, stats) = (live.count() as u64, engine.stats());
        // What expires within the wheel's current tick may be there or not.
        let soon = self
            .map
            .values()
            .filter(|s| s.deadline_ms.is_none_or(|at| at > self.now_ms))
            .count();
        assert!(
            stats.entries >= live && stats.entries <= soon as u64,
            "{stats:?} for {live}"
        );
        assert_eq!(stats.evicted, 0);
    }

    /// Reads the key from both and compares. Returns what is there.
    fn settle(&mut self, engine: &Engine, key: u16) -> Option<Stored> {
        self.get(engine, key);
        self.map.get(&key).cloned()
    }

    fn get(&mut self, engine: &Engine, key: u16) {
        let now_ms = self.now_ms;
        if self
            .map
            .get(&key)
            .and_then(|stored| stored.deadline_ms)
            .is_some_and(|at| at <= now_ms)
        {
            self.map.remove(&key);
        }
        let found = engine
            .get(partition_of(key), &name(key), Now(now_ms), |entry| {
                (
                    entry.value.to_vec(),
                    entry.version,
                    entry.ttl_ms,
                    entry.absent,
                )
            })
            .unwrap();
        let Some((value, version, ttl_ms, absent)) = found else {
            assert!(self.may_lose || !self.map.contains_key(&key), "lost {key}");
            self.map.remove(&key);
            return;
        };
        let known = self
            .map
            .get(&key)
            .unwrap_or_else(|| panic!("{key} came back"));
        assert_eq!(
            (value, version, absent),
            (known.value.clone(), known.version, known.absent)
        );
        match known.deadline_ms {
            None => assert_eq!(ttl_ms, 0),
            // Times of more than 34 years are cut.
            Some(at) if at - now_ms > (1 << 39) => assert!(ttl_ms > 0 && ttl_ms <= at - now_ms),
            Some(at) => assert_eq!(ttl_ms, at - now_ms),
        }
    }

    fn expect_next(&mut self, key: u16, version: Version) {
        let seq = &mut self.seqs[partition_of(key) as usize];
        *seq += 1;
        assert_eq!(version.seq, *seq);
    }

    fn deadline(&self, ttl_ms: u64) -> Option<u64> {
        (ttl_ms > 0).then(|| self.now_ms.saturating_add(ttl_ms))
    }
}

fn partition_of(key: u16) -> u32 {
    u32::from(key) % PARTITIONS
}

fn name(key: u16) -> Vec<u8> {
    let mut name = format!("key-{key}").into_bytes();
    name.resize(8 + usize::from(key % 40), b'.');
    name
}

fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
