//! Streams come, follow and leave: what a source tells the hub.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use shoal_engine::{Engine, Now, Position};

use crate::copy::Copy;
use crate::hub::Hub;
use crate::hub::follower::Follower;
use crate::hub::place::{Served, State};
use crate::mutants::{self, Mutant};
use crate::stream::Stream;

/// A copy comes, under an epoch, through a stream.
pub(crate) struct Coming<'a> {
    pub(crate) epoch: u64,
    pub(crate) copy: &'a Copy,
    pub(crate) stream: u64,
    pub(crate) joined: Joined,
}

/// How a copy has joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Its position is on the lineage: the log goes on from there.
    Established(Position),
    /// It starts from nothing, by a snapshot.
    Restoring,
}

impl Served {
    /// Drops who neither follows nor must, where another copy of the node came or there
    /// are too many.
    pub(crate) fn forget_strangers(&mut self) {
        const KNOWN_MAX: usize = 64;
        let required = self.required.take();
        let is_required = |it: &Follower| required.iter().flatten().any(|copy| *copy == it.copy);
        let excess = self.followers.len().saturating_sub(KNOWN_MAX);
        let mut dropped = 0;
        self.followers.retain(|it| {
            let is_stranger = it.stream.is_none() && !is_required(it);
            let goes = is_stranger && (!it.is_established || dropped < excess);
            dropped += usize::from(goes);
            !goes
        });
        self.required = required;
    }
}

impl Hub {
    /// The stream is told of this partition from now on. False: too many are.
    pub(crate) fn attach(&self, partition: u32, stream: &Arc<Stream>) -> bool {
        let place = self.place(partition);
        let mut state = place.state.lock();
        if state.streams.iter().any(|known| known.id == stream.id) {
            return true;
        }
        if state.streams.len() >= self.bounds.streams_max {
            return false;
        }
        state.streams.push(stream.clone());
        state.unneeded_since_ms = None;
        place.count_streams(&state);
        true
    }

    /// The stream is told of this partition no longer, and its copy follows no longer.
    /// It is forgotten where it said so itself.
    pub(crate) fn detach(&self, partition: u32, stream: u64, is_farewell: bool) {
        let place = self.place(partition);
        let mut state = place.state.lock();
        state.streams.retain(|known| known.id != stream);
        place.count_streams(&state);
        let has_left = state.leave(stream, is_farewell);
        drop(state);
        if has_left {
            self.tell_news(partition);
        }
    }

    /// The stream's copy follows no longer, but goes on being told.
    pub(crate) fn leave(&self, partition: u32, stream: u64) {
        if self.place(partition).state.lock().leave(stream, false) {
            self.tell_news(partition);
        }
    }

    /// A copy follows from now on. False: the partition is not served under its epoch.
    pub(crate) fn join(
        &self,
        engine: &Engine,
        partition: u32,
        coming: &Coming<'_>,
        now: Now,
    ) -> bool {
        let &Coming {
            epoch,
            copy,
            stream,
            joined,
        } = coming;
        let place = self.place(partition);
        let mut state = place.state.lock();
        let Some(served) = state.served.as_mut().filter(|it| it.epoch == epoch) else {
            return false;
        };
        let Some(head) = engine.position(partition) else {
            return false;
        };
        // The node names this copy now, on this stream. Whoever carried another one, or this,
        // is told and asks anew if it lives: so the last that lives wins, in whatever order
        // streams come and end.
        let mut displaced = Vec::new();
        for other in &mut served.followers {
            if other.copy.node != copy.node {
                continue;
            }
            displaced.extend(other.stream.filter(|&carrier| carrier != stream));
            if other.copy != *copy {
                other.stream = None;
                other.is_established = false;
            }
        }
        let mut follower = match served.followers.iter().position(|it| it.copy == *copy) {
            Some(at) => served.followers.swap_remove(at),
            None => Follower::unknown(copy.clone()),
        };
        follower.stream = Some(stream);
        follower.is_restoring = joined == Joined::Restoring;
        follower.goal_seq = Some(head.seq);
        follower.lag.observe(head.seq, follower.acked_seq, now.0);
        served.followers.push(follower);
        served.forget_strangers();
        for carrier in state.streams.iter().filter(|it| displaced.contains(&it.id)) {
            carrier.tell(partition);
        }
        drop(state);
        if let Joined::Established(position) = joined {
            self.acknowledge(engine, partition, epoch, copy, position.seq, now);
        }
        self.tell_news(partition);
        true
    }

    /// Whether the copy follows through this stream, and through no other since.
    pub(crate) fn carries(&self, partition: u32, copy: &Copy, stream: u64) -> bool {
        let mut state = self.place(partition).state.lock();
        let follower = state.served.as_mut().and_then(|it| it.follower(copy));
        follower.is_some_and(|it| it.stream == Some(stream))
    }

    /// The snapshot of a copy was sent to its end.
    pub(crate) fn restored(&self, partition: u32, copy: &Copy) {
        let mut state = self.place(partition).state.lock();
        let follower = state.served.as_mut().and_then(|it| it.follower(copy));
        if let Some(follower) = follower {
            follower.is_restoring = false;
        }
    }

    /// A stream has seen how far the primary is.
    pub(crate) fn observe(&self, partition: u32, copy: &Copy, head_seq: u64, now: Now) {
        let mut state = self.place(partition).state.lock();
        let follower = state.served.as_mut().and_then(|it| it.follower(copy));
        if let Some(follower) = follower {
            let acked_seq = follower.acked_seq;
            follower.lag.observe(head_seq, acked_seq, now.0);
        }
    }

    /// Whether a copy may not be asked to drop what it has: it is, or may become, one of
    /// the in-sync set.
    pub(crate) fn requires(&self, partition: u32, copy: &Copy) -> bool {
        if mutants::is(Mutant::RequiredBeginsAnew)
            || mutants::is(Mutant::RequiredBeginsAnewUnderItsId)
        {
            return false;
        }
        let state = self.place(partition).state.lock();
        let served = state.served.as_ref();
        served.is_some_and(|it| it.required.is_none() || it.is_required(copy))
    }
}

impl super::place::Place {
    fn count_streams(&self, state: &State) {
        let count = u32::try_from(state.streams.len()).unwrap_or(u32::MAX);
        self.stream_count.store(count, Relaxed);
    }
}

impl State {
    fn leave(&mut self, stream: u64, is_farewell: bool) -> bool {
        let Some(served) = &mut self.served else {
            return false;
        };
        let mut has_left = false;
        for follower in &mut served.followers {
            if follower.stream == Some(stream) {
                follower.stream = None;
                follower.is_restoring = false;
                follower.is_established &= !is_farewell;
                has_left = true;
            }
        }
        served.forget_strangers();
        has_left
    }
}
