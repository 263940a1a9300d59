//! The keys that are used most now: sampled operations, counted by key, with decay.
//!
//! Every operation is counted while there are fewer than 16,384 a second, and as many of
//! more ([`Drawing`]), each for the operations that it stands for. Counts halve every half
//! second. A key whose count is below half a sample's is forgotten; so the table holds no
//! more keys than were sampled in half a second, or little more. It has room for
//! [`KEYS_MAX`]: where it is full, new keys wait for old ones to be forgotten.
//!
//! What is told of a key at a steady rate, T seconds after that began, is
//! `(1 - 4^-T)` of it: half after half a second, three quarters after one. On top comes
//!
//! - where everything is counted: nothing, but that of a key which was forgotten meanwhile
//!   up to one operation is missing;
//! - where one in `g` is: the noise of sampling, whose standard error is
//!   `sqrt(count * (g - 1))`. Twice that is told as the error.
//!
//! The keys in use are those in the table. So a key at ten times the mean of the others is
//! told, and as more than five times that, one second after it began, if a steady count of
//! 48 samples is to be expected of it: where everything is counted, from 67 operations a
//! second upward; where one in `g` is, from one operation in 125 of the node's, or in 250 of
//! a large load. What is less costs the node too little for anybody to mind.
//!
//! A thread that finds the table taken lets its sample go: nobody waits here.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use parking_lot::Mutex;

use super::KEY_BYTES_KEPT;
use super::drawing::{Drawing, Pace};

/// Keys in the table.
const KEYS_MAX: usize = 16_384;
/// Of them with their names, so that they can be told.
const NAMES_MAX: usize = 1024;
/// Samples of a key from which on its name is kept.
const NAMED_FROM: f64 = 4.0;
/// Counts halve in this time.
pub(super) const HALF_LIFE_MS: u64 = 500;
/// They are made smaller this often at least, while anything comes.
const SETTLED_EVERY_MS: u64 = 1000;
/// What is left of a key that is forgotten, in samples.
const FORGOTTEN_BELOW: f64 = 0.5;
/// Standard errors of sampling that are told as the error.
const ERRORS_TOLD: f64 = 2.0;

/// A key that is used much.
#[derive(Clone, Debug, PartialEq)]
pub struct HotKey {
    /// The key, cut at 1 KiB.
    pub key: Bytes,
    /// Its partition.
    pub partition: u32,
    /// Operations a second.
    pub per_second: f64,
    /// By how much `per_second` may be too high: twice its standard error.
    pub error_per_second: f64,
    /// The part of them that are reads.
    pub reads_part: f64,
}

/// How the load lies on the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heat {
    /// Keys in use.
    pub(crate) keys: usize,
    /// Operations a second, of all keys.
    pub(crate) per_second: f64,
    /// Those that are used as much as was asked for.
    pub(crate) warm: Vec<Warm>,
}

/// One key's part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Warm {
    /// The key's quick hash.
    pub(crate) hash: u64,
    pub(crate) reads_per_second: f64,
    pub(crate) writes_per_second: f64,
    /// Of both together: twice the standard error.
    pub(crate) error_per_second: f64,
}

#[derive(Debug, Default)]
pub(super) struct HotKeys {
    drawing: Drawing,
    sketch: Mutex<Sketch>,
}

/// An operation that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
    pub(super) partition: u32,
    pub(super) is_read: bool,
    /// How many operations it stands for.
    pub(super) operations: u32,
}

/// The table, without drawing and locks.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    counted: HashMap<u64, Counted, BuildHasherDefault<AsItIs>>,
    named: usize,
    /// Of all keys, those in the table or not.
    total: f64,
    /// When the counts were made smaller last: they are as of then.
    settled_ms: u64,
    began_ms: Option<u64>,
    /// What one operation at this time counts as, for not to make all others smaller.
    unit: (u64, f64),
    pace: Pace,
    one_in: u32,
}

#[derive(Clone, Debug)]
struct Counted {
    count: f64,
    reads: f64,
    partition: u32,
    key: Option<Bytes>,
}

/// Keys of the table are hashes already.
#[derive(Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl HotKeys {
    /// How many operations this thread's stands for, if it is looked at.
    #[inline]
    pub(super) fn draw(&self) -> Option<u32> {
        self.drawing.draw()
    }

    pub(super) fn one_in(&self) -> u32 {
        self.drawing.one_in()
    }

    pub(super) fn record(&self, sample: Sample<'_>, now_ms: u64) {
        if let Some(mut sketch) = self.sketch.try_lock()
            && let Some(mean) = sketch.record(sample, now_ms)
        {
            self.drawing.set_one_in(mean);
        }
    }

    /// The hottest, first.
    pub(super) fn read(&self, count: usize, now_ms: u64) -> Vec<HotKey> {
        let mut sketch = self.sketch.lock();
        sketch.settle(now_ms);
        sketch.told(count)
    }

    /// How the load lies now, with the keys that are read so often a second. To be asked
    /// for some times a second: it also lets time pass where nothing comes.
    pub(super) fn heat(&self, reads_per_second_min: f64, now_ms: u64) -> Heat {
        let mut sketch = self.sketch.lock();
        if let Some(mean) = sketch.pass(now_ms) {
            self.drawing.set_one_in(mean);
        }
        sketch.settle(now_ms);
        sketch.heat(reads_per_second_min)
    }
}

impl Sketch {
    /// Some: one in so many is to be looked at from now on.
    pub(super) fn record(&mut self, sample: Sample<'_>, now_ms: u64) -> Option<u32> {
        self.began_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(self.settled_ms) >= SETTLED_EVERY_MS {
            self.settle(now_ms);
        }
        if self.unit.0 != now_ms {
            let unit = 1.0 / left_after_ms(now_ms.saturating_sub(self.settled_ms));
            self.unit = (now_ms, unit);
        }
        let counts = f64::from(sample.operations) * self.unit.1;
        let reads = if sample.is_read { counts } else { 0.0 };
        self.total += counts;
        let is_full = self.counted.len() >= KEYS_MAX;
        match self.counted.get_mut(&sample.hash) {
            Some(known) => {
                known.count += counts;
                known.reads += reads;
                let is_named = known.key.is_some() || self.named >= NAMES_MAX;
                if !is_named && known.count >= NAMED_FROM * counts {
                    let kept = &sample.key[..sample.key.len().min(KEY_BYTES_KEPT)];
                    known.key = Some(Bytes::copy_from_slice(kept));
                    self.named += 1;
                }
            }
            None if is_full => {}
            None => {
                let new = Counted {
                    count: counts,
                    reads,
                    partition: sample.partition,
                    key: None,
                };
                self.counted.insert(sample.hash, new);
            }
        }
        let mean = self.pace.took(sample.operations, now_ms);
        self.paced(mean)
    }

    /// Time passed.
    fn pass(&mut self, now_ms: u64) -> Option<u32> {
        let mean = self.pace.passed(now_ms);
        self.paced(mean)
    }

    fn paced(&mut self, mean: Option<u32>) -> Option<u32> {
        let mean = mean?.max(1);
        self.one_in = mean;
        Some(mean)
    }

    /// Makes every count smaller by the time that went by since the last time.
    fn settle(&mut self, now_ms: u64) {
        let left = left_after_ms(now_ms.saturating_sub(self.settled_ms));
        self.settled_ms = self.settled_ms.max(now_ms);
        self.unit = (self.settled_ms, 1.0);
        self.total *= left;
        let mut named = 0;
        let forgotten_below = FORGOTTEN_BELOW * f64::from(self.one_in.max(1));
        self.counted.retain(|_, counted| {
            counted.count *= left;
            counted.reads *= left;
            let stays = counted.count >= forgotten_below;
            named += usize::from(stays && counted.key.is_some());
            stays
        });
        self.named = named;
    }

    /// Operations a second, of a count. As of the last settling.
    fn per_second(&self, count: f64) -> f64 {
        // At a steady rate r the decayed count comes to r * half-life / ln 2, and to the part
        // of it that belongs to the time since the first sample.
        let since_ms = self.settled_ms - self.began_ms.unwrap_or_default().min(self.settled_ms);
        let come = 1.0 - left_after_ms(since_ms.max(HALF_LIFE_MS / 2));
        count * std::f64::consts::LN_2 / (HALF_LIFE_MS as f64 / 1000.0) / come
    }

    /// By how much a count may be too high.
    fn error(&self, count: f64) -> f64 {
        ERRORS_TOLD * (count * f64::from(self.one_in.max(1) - 1)).sqrt()
    }

    fn told(&self, count: usize) -> Vec<HotKey> {
        let named = self.counted.values().filter_map(|it| {
            Some(HotKey {
                key: it.key.clone()?,
                partition: it.partition,
                per_second: self.per_second(it.count),
                error_per_second: self.per_second(self.error(it.count)),
                reads_part: it.reads / it.count,
            })
        });
        let mut found: Vec<HotKey> = named.collect();
        found.sort_by(|a, b| {
            let by_rate = b.per_second.total_cmp(&a.per_second);
            by_rate.then_with(|| a.key.cmp(&b.key))
        });
        found.truncate(count);
        found
    }

    fn heat(&self, reads_per_second_min: f64) -> Heat {
        let warm = self.counted.iter().map(|(&hash, it)| Warm {
            hash,
            reads_per_second: self.per_second(it.reads),
            writes_per_second: self.per_second(it.count - it.reads),
            error_per_second: self.per_second(self.error(it.count)),
        });
        Heat {
            keys: self.counted.len(),
            per_second: self.per_second(self.total),
            warm: warm
                .filter(|it| it.reads_per_second >= reads_per_second_min)
                .collect(),
        }
    }
}

/// The part of a count that is left.
fn left_after_ms(passed_ms: u64) -> f64 {
    (-(passed_ms as f64) / HALF_LIFE_MS as f64).exp2()
}

/// What the table takes at most.
pub(super) fn memory_bytes() -> usize {
    let entry_bytes = size_of::<(u64, Counted)>() + 1;
    // The table grows by halves.
    2 * KEYS_MAX * entry_bytes + NAMES_MAX * KEY_BYTES_KEPT
}

#[cfg(test)]
mod tests;
