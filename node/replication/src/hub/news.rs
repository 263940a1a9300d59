//! That there is news of replication: a counter, and a bell for whoever waits for it to rise.
//!
//! The bell rings once for all that came since the counter was last read, so that who is
//! slow to look is not rung at again. It may ring for what was read already, and never
//! stays silent over what was not: reading sets it before the counter is read, and news is
//! counted before the bell is looked at.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::task::Waker;

use crate::hub::Hub;
use crate::sync::{AtomicBool, AtomicU64, Mutex};

#[derive(Debug, Default)]
pub(crate) struct News {
    count: AtomicU64,
    /// It has rung, and nobody has read the counter since.
    has_rung: AtomicBool,
    bell: Mutex<Option<Waker>>,
    /// Where there was news that nobody has taken.
    changed: Mutex<BTreeSet<u32>>,
}

impl Hub {
    /// A counter that rises when a copy joins, leaves, catches up or falls behind, and when
    /// the copy here changes. Read, and the bell rings for what comes next.
    pub fn news(&self) -> u64 {
        self.news.has_rung.swap(false, AcqRel);
        self.news.count.load(Acquire)
    }

    /// Takes the partitions in which there was news since they were last taken. Read the
    /// counter first: what it counted is among them.
    pub fn take_changed(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.news.changed.lock())
    }

    /// Rings this when there is news, in place of what it rang before. Whatever thread has
    /// the news wakes it, maybe behind a partition's lock: it must not call the hub.
    pub fn set_bell(&self, bell: Waker) {
        *self.news.bell.lock() = Some(bell);
        self.ring();
    }

    pub(crate) fn tell_news(&self, partition: u32) {
        self.news.changed.lock().insert(partition);
        self.news.count.fetch_add(1, Release);
        if !self.news.has_rung.swap(true, AcqRel) {
            self.ring();
        }
    }

    fn ring(&self) {
        let bell = self.news.bell.lock().clone();
        if let Some(bell) = bell {
            bell.wake();
        }
    }
}
