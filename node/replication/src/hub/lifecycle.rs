//! What becomes of a node's copy of a partition: opened, following, promoted, closed.
//!
//! Each step calls the engine and keeps the hub in step with it, in the order that is
//! safe: nobody is told of a primary before its engine is one, and none is one after the
//! hub has let go. The caller sees to three things: requests are kept out before `follow`
//! and `close` take a primary away, and let in only after `open` and `promote`; and the
//! partition's sink has let go of it before `promote` and `close`.

use std::sync::Arc;

use shoal_engine::{AlreadyOpen, Engine, NotPromotable, Position, Role};

use crate::hub::place::Served;
use crate::hub::{Hub, wake_all};
use crate::mutants::{self, Mutant};

impl Hub {
    /// Opens an empty primary. No copy is required until [`Hub::require`] names one.
    ///
    /// # Errors
    /// The partition is open.
    pub fn open(
        &self,
        engine: &Engine,
        partition: u32,
        epoch: u64,
        copy_id: &str,
    ) -> Result<(), AlreadyOpen> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        engine.open(partition, epoch)?;
        state.copy_id = Some(copy_id.into());
        state.seen_epoch = 0;
        place.serve(&mut state, Served::new(epoch, Some(Vec::new()), 0));
        drop(state);
        self.tell_news(partition);
        Ok(())
    }

    /// The copy is a follower's from now on. Where the partition was closed it is an
    /// empty one, of this id; else it keeps its data and its id.
    pub fn follow(&self, engine: &Engine, partition: u32, copy_id: &str) {
        let place = self.place(partition);
        let mut woken = Vec::new();
        let mut state = place.state.lock();
        let is_news = match engine.role(partition) {
            None if engine.open_follower(partition).is_ok() => {
                state.copy_id = Some(copy_id.into());
                state.seen_epoch = 0;
                // So that others can go on from it, should it be promoted.
                let _ = engine.keep_log(partition, true);
                true
            }
            Some(Role::Primary) => {
                place.unserve(&mut state, &mut woken);
                let _ = engine.demote(partition);
                let _ = engine.keep_log(partition, true);
                true
            }
            None | Some(Role::Follower | Role::Restoring) => false,
        };
        drop(state);
        wake_all(woken);
        if is_news {
            self.tell_news(partition);
        }
    }

    /// A follower becomes primary, with what it has. Nothing is committed, and nothing
    /// that it has is shown to readers of the primary, until [`Hub::require`] has told
    /// which copies must acknowledge it, and they have.
    ///
    /// # Errors
    /// The copy cannot be promoted; nothing has changed.
    pub fn promote(
        &self,
        engine: &Engine,
        partition: u32,
        epoch: u64,
    ) -> Result<Position, NotPromotable> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        if epoch < state.seen_epoch {
            return Err(NotPromotable::OldEpoch);
        }
        let position = engine.promote(partition, epoch)?;
        if place.served_epoch() != Some(epoch) {
            // Whoever follows next may be anywhere behind: give them time to come.
            let _ = engine.keep_log(partition, true);
            place.serve(&mut state, Served::new(epoch, None, position.seq));
        }
        drop(state);
        self.tell_news(partition);
        Ok(position)
    }

    /// Drops the copy. Returns whether there was one.
    pub fn close(&self, engine: &Engine, partition: u32) -> bool {
        let place = self.place(partition);
        let mut woken = Vec::new();
        let mut state = place.state.lock();
        place.unserve(&mut state, &mut woken);
        state.copy_id = None;
        state.seen_epoch = 0;
        drop(state);
        wake_all(woken);
        let was_open = engine.close(partition);
        if was_open {
            self.tell_news(partition);
        }
        was_open
    }

    /// The id of the copy here. A sink changes it before it discards.
    pub fn copy_id(&self, partition: u32) -> Option<Arc<str>> {
        self.place(partition).state.lock().copy_id.clone()
    }

    /// The epoch under which this node serves the partition as primary, if it does.
    pub fn epoch(&self, partition: u32) -> Option<u64> {
        self.place(partition).served_epoch()
    }

    /// Empties a follower's copy, under a new id drawn from the old one. False where there
    /// is no such copy.
    pub(crate) fn discard(
        &self,
        engine: &Engine,
        partition: u32,
        draw: &mut dyn FnMut(&str) -> String,
    ) -> bool {
        let mut state = self.place(partition).state.lock();
        if !matches!(
            engine.role(partition),
            Some(Role::Follower | Role::Restoring)
        ) {
            return false;
        }
        let old = state.copy_id.clone().unwrap_or_default();
        let keeps_id =
            mutants::is(Mutant::CopyIdKept) || mutants::is(Mutant::RequiredBeginsAnewUnderItsId);
        if !keeps_id {
            state.copy_id = Some(draw(&old).into());
        }
        // Who decides by what the copy is called must not decide by its old name.
        self.tell_news(partition);
        engine.discard(partition)
    }

    /// The highest epoch that the copy has obeyed.
    pub(crate) fn seen_epoch(&self, partition: u32) -> u64 {
        self.place(partition).state.lock().seen_epoch
    }

    /// The copy obeys this epoch from now on, and none before it. False where it knows a
    /// higher one.
    pub(crate) fn see(&self, partition: u32, epoch: u64) -> bool {
        let mut state = self.place(partition).state.lock();
        let is_current = epoch >= state.seen_epoch;
        state.seen_epoch = state.seen_epoch.max(epoch);
        is_current
    }
}
