//! What a copy is: opened, promoted, demoted, discarded. Each in constant time under the
//! lock; what is dropped is freed after it.

use std::sync::atomic::Ordering::Relaxed;

use super::log::Log;
use super::position::{Position, Role};
use crate::engine::Engine;
use crate::eviction::ANYBODY;
use crate::partition::Partition;
use crate::refused::{AlreadyOpen, NotOpen, NotPromotable};

/// All logs together may take this part of the memory, where nobody says otherwise,
const LOGS_PART: usize = 16;
/// and one of them so much.
const LOG_BYTES_MIN: usize = 64 << 10;
const LOG_BYTES_MAX: usize = 64 << 20;
/// What a longer lineage is given at a time, about,
const LINEAGE_BYTES: usize = 4 << 10;
/// and for how long entries go for it.
const LINEAGE_HOLDS_MAX: usize = 256;

impl Engine {
    /// Opens a partition, empty, to follow.
    pub fn open_follower(&self, partition: u32) -> Result<(), AlreadyOpen> {
        self.open_as(partition, 0, Role::Follower)
    }

    /// Makes a primary of a follower, with all that it has, under a higher epoch. Returns
    /// its position, of before. A primary of this very epoch is one already. Where memory is
    /// full, a few entries go for the lineage: without it no other copy is known any more.
    pub fn promote(&self, partition: u32, epoch: u64) -> Result<Position, NotPromotable> {
        self.ready_lineage(partition);
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut().ok_or(NotPromotable::NotOpen)?;
        if open.role == Role::Restoring {
            return Err(NotPromotable::Restoring);
        }
        let position = open.position();
        if open.role == Role::Primary && open.epoch == epoch {
            return Ok(position);
        }
        if epoch <= open.epoch || epoch <= open.lineage.newest().epoch {
            return Err(NotPromotable::OldEpoch);
        }
        let first = open.sequence + 1;
        let begun = open.lineage.begin(epoch, first, &mut open.ledger);
        debug_assert!(begun, "epoch and sequence rise");
        open.epoch = epoch;
        open.role = Role::Primary;
        open.end_fills();
        place.publish(open);
        let woken = open.woken.take();
        drop(state);
        woken.into_iter().for_each(|woken| woken.wake());
        Ok(position)
    }

    fn ready_lineage(&self, partition: u32) {
        let place = self.place(partition);
        for _ in 0..LINEAGE_HOLDS_MAX {
            let mut state = place.state.lock();
            let Some(open) = state.open.as_mut().filter(|it| it.role == Role::Follower) else {
                return;
            };
            if open.lineage.ready(&mut open.ledger) {
                return place.publish(open);
            }
            // Followers do not look at the time.
            let shed = open.shed(LINEAGE_BYTES, ANYBODY, 0);
            place.publish(open);
            if shed.bytes == 0 && !shed.more {
                return;
            }
        }
    }

    /// Makes a follower of a primary; it keeps everything. Returns its position.
    pub fn demote(&self, partition: u32) -> Result<Position, NotOpen> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut().ok_or(NotOpen)?;
        if open.role == Role::Primary {
            open.role = Role::Follower;
            open.lineage.cut(open.sequence);
            open.end_fills();
            place.publish(open);
        }
        let position = open.position();
        let woken = open.woken.take();
        drop(state);
        woken.into_iter().for_each(|woken| woken.wake());
        Ok(position)
    }

    /// Makes a follower's copy empty, at no position. False: it is not open as a follower.
    pub fn discard(&self, partition: u32) -> bool {
        let place = self.place(partition);
        let mut state = place.lock_counted();
        let Some(open) = state.open.as_mut() else {
            return false;
        };
        if open.role == Role::Primary {
            return false;
        }
        let mut new = self.partition(open.epoch, Role::Follower);
        if open.log.is_some() {
            new.log = Some(self.new_log(0));
        }
        let old = std::mem::replace(open, new);
        place.publish(open);
        state.retired += old.tally;
        drop(state);
        drop(old);
        true
    }

    /// What the copy is. None: it is closed.
    pub fn role(&self, partition: u32) -> Option<Role> {
        let state = self.place(partition).state.lock();
        state.open.as_ref().map(|open| open.role)
    }

    /// Where the copy is: of a primary its head, of one that is being restored nothing.
    /// None: it is closed.
    pub fn position(&self, partition: u32) -> Option<Position> {
        let state = self.place(partition).state.lock();
        state.open.as_ref().map(|open| open.position())
    }

    /// Whether a partition keeps a log. One that begins tells what comes from now on.
    pub fn keep_log(&self, partition: u32, keeps: bool) -> Result<(), NotOpen> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut().ok_or(NotOpen)?;
        if keeps {
            self.begin_log(open);
        } else if let Some(mut log) = open.log.take() {
            log.clear(&mut open.ledger);
        }
        place.publish(open);
        Ok(())
    }

    /// Bounds each partition's log; 0: as the memory and the number of partitions suggest.
    pub fn limit_log(&self, bytes_per_partition: usize) {
        self.log_limit.store(bytes_per_partition, Relaxed);
    }

    /// What all logs hold. Takes each partition's lock for a moment.
    pub fn log_bytes(&self) -> usize {
        let logs = self.places.iter().map(|place| {
            let state = place.state.lock();
            let log = state.open.as_ref().and_then(|open| open.log.as_ref());
            log.map_or(0, |log| log.charged_bytes())
        });
        logs.sum()
    }

    pub(super) fn begin_log(&self, open: &mut Partition) {
        if open.log.is_none() {
            open.log = Some(self.new_log(open.sequence));
        }
    }

    fn new_log(&self, head: u64) -> Box<Log> {
        Box::new(Log::new(self.birth(), head, self.log_limit_bytes()))
    }

    /// A number that was not drawn before.
    pub(crate) fn birth(&self) -> u64 {
        self.births.fetch_add(1, Relaxed) as u64
    }

    pub(crate) fn log_limit_bytes(&self) -> usize {
        match self.log_limit.load(Relaxed) {
            0 => {
                let open_count = self.open_count.load(Relaxed).max(1) as usize;
                let part = self.settings.maxmemory_bytes / LOGS_PART / open_count;
                part.clamp(LOG_BYTES_MIN, LOG_BYTES_MAX)
            }
            bytes => bytes,
        }
    }
}
