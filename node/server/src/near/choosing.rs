//! Which keys become hot and which cool: decisions from what was seen and the time.
//!
//! A key becomes hot by its part of the load: it is read more than [`TIMES_MEAN`] times as
//! often as the mean of the other keys in use, and [`READS_PER_SECOND_MIN`] times a second,
//! by as much as is certain. And it is mostly read: a write costs a message to every
//! watcher, so reads outnumber writes [`READS_TO_A_WRITE`] times, and by the watchers.
//!
//! Once it is hot, callers answer themselves and the node sees little of it: each caller
//! comes again when its grant is over, and when it was told of a write. So a hot key stays
//! so while
//!
//! - somebody comes: [`READS_TO_STAY`] times in a window;
//! - it is read here at least as often as it is written: whoever uses it reads it once after
//!   each write;
//! - messages are no more than reads, seen here or believed: what was seen before it was
//!   hot is believed less and less.
//!
//! A key that cools is cold at once, and may become hot again by what is seen then.

use std::collections::HashMap;

use crate::introspection::{Heat, Warm};
use crate::near::hot_set::{HotSet, KEYS_MAX, Spot, Uses};

/// A key at ten times the mean is at half of that for certain within a second.
const TIMES_MEAN: f64 = 5.0;
/// A key that is read less is not worth a grant.
pub(super) const READS_PER_SECOND_MIN: f64 = 100.0;
const READS_TO_A_WRITE: f64 = 10.0;
/// In one window.
const READS_TO_STAY: u32 = 2;
/// A window is so many grants long,
const WINDOW_GRANTS: u64 = 4;
/// but not shorter.
const WINDOW_MS_MIN: u64 = 1000;
/// What was seen before is believed half as much after this time.
const BELIEVED_HALF_MS: f64 = 10_000.0;
/// Where there is no room, who is so many times hotter takes the place of the least hot.
const TIMES_LEAST: f64 = 2.0;

/// The hot keys, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    hot: HashMap<u64, Standing>,
}

/// A key that is hot.
#[derive(Clone, Copy, Debug)]
struct Standing {
    spot: Spot,
    since_ms: u64,
    /// Reads a second that were seen before it was hot.
    reads_before: f64,
    /// The window that is under way.
    window: Window,
    /// Reads a second, seen in the last window.
    reads_seen: f64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began_ms: u64,
    uses: Uses,
}

impl Standing {
    /// Reads a second that there are, by all that is known.
    fn believed(&self, now_ms: u64) -> f64 {
        let age_ms = now_ms.saturating_sub(self.since_ms) as f64;
        let before = self.reads_before * (-age_ms / BELIEVED_HALF_MS).exp2();
        before.max(self.reads_seen)
    }
}

impl Chosen {
    /// Look at what was seen, and change the set.
    pub(super) fn round(
        &mut self,
        heat: &Heat,
        set: &HotSet,
        watchers: usize,
        grant_ms: u64,
        now_ms: u64,
    ) {
        let window_ms = (grant_ms * WINDOW_GRANTS).max(WINDOW_MS_MIN);
        self.hot.retain(|_, standing| {
            let stays = look_again(
                standing,
                set.uses(standing.spot),
                watchers,
                window_ms,
                now_ms,
            );
            if !stays {
                set.remove(standing.spot);
            }
            stays
        });
        let is_new = |warm: &&Warm| !self.hot.contains_key(&warm.hash);
        let new = heat.warm.iter().filter(is_new);
        let mut new: Vec<Warm> = new
            .filter(|it| is_hot(it, heat, watchers))
            .copied()
            .collect();
        new.sort_by(|a, b| b.reads_per_second.total_cmp(&a.reads_per_second));
        for warm in new {
            if self.hot.len() >= KEYS_MAX && !self.make_room(&warm, set, now_ms) {
                break;
            }
            let Some(spot) = set.add(warm.hash) else {
                continue;
            };
            let window = Window {
                began_ms: now_ms,
                uses: Uses::default(),
            };
            let standing = Standing {
                spot,
                since_ms: now_ms,
                reads_before: warm.reads_per_second,
                window,
                reads_seen: 0.0,
            };
            self.hot.insert(warm.hash, standing);
        }
    }

    /// Have the least hot key go, if this one is that much hotter.
    fn make_room(&mut self, warm: &Warm, set: &HotSet, now_ms: u64) -> bool {
        let believed = |(&hash, it): (&u64, &Standing)| (hash, it.spot, it.believed(now_ms));
        let least = self.hot.iter().map(believed);
        let least = least.min_by(|a, b| a.2.total_cmp(&b.2));
        let Some((hash, spot, reads)) = least else {
            return false;
        };
        if warm.reads_per_second < TIMES_LEAST * reads {
            return false;
        }
        self.hot.remove(&hash);
        set.remove(spot);
        true
    }
}

/// Whether a key that is not hot becomes so.
fn is_hot(warm: &Warm, heat: &Heat, watchers: usize) -> bool {
    let own = warm.reads_per_second + warm.writes_per_second;
    let others = heat.keys.saturating_sub(1).max(1) as f64;
    let mean = (heat.per_second - own).max(0.0) / others;
    let reads = warm.reads_per_second - warm.error_per_second;
    let messages = warm.writes_per_second * READS_TO_A_WRITE.max(watchers as f64);
    reads >= READS_PER_SECOND_MIN.max(TIMES_MEAN * mean) && warm.reads_per_second >= messages
}

/// Whether a hot key stays so. Looks once a window.
fn look_again(
    standing: &mut Standing,
    uses: Uses,
    watchers: usize,
    window_ms: u64,
    now_ms: u64,
) -> bool {
    let passed_ms = now_ms.saturating_sub(standing.window.began_ms);
    if passed_ms < window_ms {
        return true;
    }
    let reads = uses.reads.wrapping_sub(standing.window.uses.reads);
    let writes = uses.writes.wrapping_sub(standing.window.uses.writes);
    let a_second = |count: u32| f64::from(count) * 1000.0 / passed_ms as f64;
    standing.window = Window {
        began_ms: now_ms,
        uses,
    };
    standing.reads_seen = a_second(reads);
    let messages = a_second(writes) * watchers as f64;
    reads >= READS_TO_STAY && reads >= writes && messages <= standing.believed(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANT_MS: u64 = 1000;

    fn warm(hash: u64, reads: f64, writes: f64) -> Warm {
        Warm {
            hash,
            reads_per_second: reads,
            writes_per_second: writes,
            error_per_second: 0.0,
        }
    }

    /// 101 keys, 100 of them at 40 operations a second, and these.
    fn heat(warm: &[Warm]) -> Heat {
        let own = warm
            .iter()
            .map(|it| it.reads_per_second + it.writes_per_second);
        Heat {
            keys: 100 + warm.len(),
            per_second: 4000.0 + own.sum::<f64>(),
            warm: warm.to_vec(),
        }
    }

    fn becomes_hot(warm: Warm, watchers: usize) -> bool {
        is_hot(&warm, &heat(&[warm]), watchers)
    }

    #[test]
    fn hot_is_what_is_read_far_more_than_the_others() {
        assert!(becomes_hot(warm(1, 400.0, 0.0), 0));
        assert!(!becomes_hot(warm(1, 150.0, 0.0), 0), "not so far more");
        let uncertain = Warm {
            error_per_second: 250.0,
            ..warm(1, 400.0, 0.0)
        };
        assert!(!becomes_hot(uncertain, 0));
        // Alone it is hot by what it is read, and by nobody's mean.
        let alone = |reads| Heat {
            keys: 1,
            per_second: reads,
            warm: vec![],
        };
        assert!(is_hot(&warm(1, 100.0, 0.0), &alone(100.0), 0));
        assert!(!is_hot(&warm(1, 99.0, 0.0), &alone(99.0), 0));
    }

    #[test]
    fn what_is_written_much_is_not_hot_and_less_so_the_more_watch() {
        assert!(becomes_hot(warm(1, 400.0, 40.0), 0));
        assert!(!becomes_hot(warm(1, 400.0, 41.0), 0));
        assert!(becomes_hot(warm(1, 400.0, 2.0), 200));
        assert!(!becomes_hot(warm(1, 400.0, 2.0), 201));
    }

    /// A key that is hot at 0, and what is seen of it in each second: is it hot at the end?
    fn stays(reads_before: f64, watchers: usize, seconds: &[(u32, u32)]) -> bool {
        let (set, mut chosen) = (HotSet::default(), Chosen::default());
        let key = warm(7, reads_before, 0.0);
        chosen.round(&heat(&[key]), &set, watchers, GRANT_MS, 0);
        for (second, &(reads, writes)) in seconds.iter().enumerate() {
            if let Some(spot) = set.find(7) {
                (0..reads).for_each(|_| set.read(spot));
                (0..writes).for_each(|_| set.wrote(7));
            }
            let now_ms = (second as u64 + 1) * 1000;
            chosen.round(&heat(&[]), &set, watchers, GRANT_MS, now_ms);
        }
        assert_eq!(set.is_empty(), chosen.hot.is_empty());
        !set.is_empty()
    }

    #[test]
    fn it_stays_while_somebody_comes_again_and_cools_soon_after() {
        // One caller reads it ten thousand times a second and comes once in each.
        assert!(stays(10_000.0, 1, &[(1, 0); 60]));
        assert!(stays(10_000.0, 1, &[(0, 0); 3]));
        assert!(!stays(10_000.0, 1, &[(0, 0); 4]));
        let mut seconds = vec![(1, 0); 8];
        seconds.extend([(0, 0); 4]);
        assert!(!stays(10_000.0, 1, &seconds));
    }

    #[test]
    fn it_cools_where_writes_gain_the_upper_hand() {
        assert!(
            stays(10_000.0, 5, &[(25, 5); 60]),
            "five come after each write"
        );
        assert!(!stays(10_000.0, 1, &[(5, 6); 60]));
        // 100 watch, two of them read it: more messages than reads, once what was seen
        // before is believed no more.
        assert!(stays(10_000.0, 100, &[(20, 10); 8]));
        assert!(!stays(10_000.0, 100, &[(20, 10); 60]));
        assert!(!stays(400.0, 100, &[(20, 10); 4]));
    }

    #[test]
    fn where_there_is_no_room_the_hotter_takes_the_place_of_the_least() {
        let (set, mut chosen) = (HotSet::default(), Chosen::default());
        let hash = |key: u64| (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // So many are tried that every place is taken.
        let keys = (0..2000).map(|key| warm(hash(key), 1000.0 + key as f64, 0.0));
        let full = Heat {
            keys: 2_000_000,
            per_second: 4000.0,
            warm: keys.collect(),
        };
        chosen.round(&full, &set, 0, GRANT_MS, 0);
        assert_eq!(chosen.hot.len(), KEYS_MAX);
        let comes = |chosen: &mut Chosen, key: u64, reads: f64| {
            let warm = vec![warm(hash(key), reads, 0.0)];
            let heat = Heat {
                warm,
                ..full.clone()
            };
            chosen.round(&heat, &set, 0, GRANT_MS, 10);
            chosen.hot.contains_key(&hash(key))
        };
        assert!(!comes(&mut chosen, 5000, 1500.0));
        assert!(comes(&mut chosen, 5001, 50_000.0));
        assert_eq!(chosen.hot.len(), KEYS_MAX);
    }
}
