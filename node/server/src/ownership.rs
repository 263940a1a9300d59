//! Which partitions this node serves as primary, whether they are frozen, and which it
//! follows.
//!
//! One word of state a partition: open, frozen, followed. Beside it, how many requests are
//! between their evaluation and their answer, counted by each thread for itself: requests
//! enter and leave without a lock, and two threads that read one partition write to no line
//! of memory that both use. Whoever enters counts itself first and looks at the state then;
//! whoever freezes changes the state first and looks at all counts then. So one of the two
//! sees the other.
//!
//! Invariants:
//! - After `freeze` has returned, and until `thaw`, nobody is inside.
//! - After `seal`, and until `thaw`, no answer that was kept is given either: it has no
//!   served epoch any more.
//! - Nobody stays inside across an await: a [`Guard`] is not `Send`, so a future
//!   that held one would not compile into a task.
//!
//! Not here: the data (the engine has it) and who else owns what (the topology).

use std::marker::PhantomData;
use std::sync::atomic::Ordering;

use shoal_engine::Stretch;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::sync::{AtomicU32, AtomicU64, pause};
use shoal_threads::{copy_count, thread_number};

const OPEN: u64 = 1 << 63;
const FROZEN: u64 = 1 << 62;
/// A copy of it is here, and another node is its primary. Never beside `OPEN`.
const FOLLOWED: u64 = 1 << 61;
/// Frozen, and perhaps handed over by now. Never beside `FOLLOWED`.
const SEALED: u64 = 1 << 60;

/// What a partition is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not served here.
    Closed,
    /// Served here.
    Open,
    /// Served here, and handed over or thawed in a moment.
    Frozen,
    /// Another node is its primary, and a copy is here.
    Followed,
}

/// The partition cannot be opened: it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsOpen {
    /// The epoch under which it is served.
    pub epoch: u64,
}

/// The partition is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsClosed;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Place {
    state: AtomicU64,
    epoch: AtomicU64,
    changed: Notify,
}

/// The state of every partition of the cluster on this node.
#[derive(Debug)]
pub(crate) struct Ownership {
    places: Box<[Place]>,
    /// Who is inside, by thread. A power of two of them; where there are more threads, some
    /// share one.
    inside: Box<[Inside]>,
}

/// How many requests are inside each partition, as one thread counts them.
#[derive(Debug)]
struct Inside {
    lines: Box<[Line]>,
}

const COUNTS_PER_LINE: usize = 16;

/// A line of memory, whole: no other thread's counts lie in it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU32; COUNTS_PER_LINE]);

/// A request that is inside a partition: it is evaluated and answered, then
/// dropped. The partition is not frozen meanwhile.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    place: &'a Place,
    inside: &'a AtomicU32,
    epoch: u64,
    /// Makes the guard `!Send`.
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Ownership {
    /// All partitions closed.
    #[must_use]
    pub(crate) fn new(partition_count: u32) -> Ownership {
        Ownership {
            places: (0..partition_count).map(|_| Place::default()).collect(),
            inside: (0..copy_count())
                .map(|_| Inside::new(partition_count))
                .collect(),
        }
    }

    /// Go inside, if the partition is open and not frozen.
    #[must_use]
    pub(crate) fn enter(&self, partition: u32) -> Option<Guard<'_>> {
        let place = self.place(partition);
        let inside = self.own_inside().of(partition);
        inside.fetch_add(1, Ordering::SeqCst);
        let state = place.state.load(Ordering::SeqCst);
        let guard = Guard {
            place,
            inside,
            epoch: place.epoch.load(Ordering::SeqCst),
            _stays_on_its_thread: PhantomData,
        };
        (state & (OPEN | FROZEN) == OPEN).then_some(guard)
    }

    /// Where that is kept which `enter` looks at, to fetch it ahead.
    pub(crate) fn place_at(&self, partition: u32) -> Stretch {
        let place = self.place(partition);
        (std::ptr::from_ref(place).cast(), size_of::<u64>())
    }

    /// What the partition is now.
    #[must_use]
    pub(crate) fn state(&self, partition: u32) -> State {
        match self.place(partition).state.load(Ordering::SeqCst) {
            OPEN => State::Open,
            FOLLOWED => State::Followed,
            state if state & OPEN != 0 => State::Frozen,
            _ => State::Closed,
        }
    }

    /// The epoch under which it is served, frozen or not; `None` if it is not, or may be
    /// handed over already.
    #[must_use]
    pub(crate) fn served_epoch(&self, partition: u32) -> Option<u64> {
        let place = self.place(partition);
        let is_served = || place.state.load(Ordering::SeqCst) & (OPEN | SEALED) == OPEN;
        let epoch = is_served().then(|| place.epoch.load(Ordering::SeqCst));
        // A demotion takes the state away before another epoch can come.
        epoch.filter(|_| is_served())
    }

    /// The epoch under which it is served, or was the last time; 0 if it never was.
    #[must_use]
    pub(crate) fn last_epoch(&self, partition: u32) -> u64 {
        self.place(partition).epoch.load(Ordering::SeqCst)
    }

    /// Completes at the next change of the partition's state. Enable it before
    /// looking at the state.
    pub(crate) fn changed(&self, partition: u32) -> Notified<'_> {
        self.place(partition).changed.notified()
    }

    /// Have whoever waits for the partition look where it is again.
    pub(crate) fn wake(&self, partition: u32) {
        self.place(partition).changed.notify_waiters();
    }

    /// Serve the partition under this epoch, perhaps after following it. Its data must
    /// be in place.
    ///
    /// # Errors
    /// [`IsOpen`] if it is served already.
    pub(crate) fn open(&self, partition: u32, epoch: u64) -> Result<(), IsOpen> {
        let place = self.place(partition);
        if place.state.load(Ordering::SeqCst) & OPEN != 0 {
            return Err(IsOpen {
                epoch: place.epoch.load(Ordering::SeqCst),
            });
        }
        place.epoch.store(epoch, Ordering::SeqCst);
        place.state.fetch_and(!FOLLOWED, Ordering::SeqCst);
        place.state.fetch_or(OPEN, Ordering::SeqCst);
        place.changed.notify_waiters();
        Ok(())
    }

    /// Follow the partition, perhaps after serving it. Whoever waited looks where it
    /// went; whoever is inside finds out before answering.
    pub(crate) fn follow(&self, partition: u32) {
        let place = self.place(partition);
        place.state.store(FOLLOWED, Ordering::SeqCst);
        place.changed.notify_waiters();
    }

    /// Let nobody in any more, and return once nobody is inside. That takes as
    /// long as one evaluation, which never waits for anything.
    ///
    /// # Errors
    /// [`IsClosed`] if the partition is not served here.
    pub(crate) fn freeze(&self, partition: u32) -> Result<(), IsClosed> {
        let place = self.place(partition);
        let mut state = place.state.load(Ordering::SeqCst);
        loop {
            if state & OPEN == 0 {
                return Err(IsClosed);
            }
            let frozen = state | FROZEN;
            match place.state.compare_exchange_weak(
                state,
                frozen,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        // One thread after the other: whom it lets in from now on sees the freeze.
        for inside in &self.inside {
            while inside.of(partition).load(Ordering::SeqCst) != 0 {
                pause();
            }
        }
        Ok(())
    }

    /// Give no answer that was kept either, because another node may serve it in a moment.
    /// Does nothing to a partition that is not frozen.
    pub(crate) fn seal(&self, partition: u32) {
        let place = self.place(partition);
        let _ = place
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
                (state & FROZEN != 0).then_some(state | SEALED)
            });
    }

    /// Let requests in again. Does nothing to a partition that is not frozen.
    pub(crate) fn thaw(&self, partition: u32) {
        let place = self.place(partition);
        place.state.fetch_and(!(FROZEN | SEALED), Ordering::SeqCst);
        place.changed.notify_waiters();
    }

    /// Serve or follow the partition no longer. Whoever waited looks where it went;
    /// whoever is inside finds out before answering. Returns whether it was served.
    pub(crate) fn close(&self, partition: u32) -> bool {
        let place = self.place(partition);
        let before = place.state.swap(0, Ordering::SeqCst);
        place.changed.notify_waiters();
        before & OPEN != 0
    }

    fn place(&self, partition: u32) -> &Place {
        &self.places[partition as usize]
    }

    /// This thread's.
    #[inline]
    fn own_inside(&self) -> &Inside {
        &self.inside[thread_number() & (self.inside.len() - 1)]
    }
}

impl Inside {
    fn new(partition_count: u32) -> Inside {
        let lines = (partition_count as usize).div_ceil(COUNTS_PER_LINE);
        Inside {
            lines: (0..lines).map(|_| Line::default()).collect(),
        }
    }

    #[inline]
    fn of(&self, partition: u32) -> &AtomicU32 {
        let partition = partition as usize;
        &self.lines[partition / COUNTS_PER_LINE].0[partition % COUNTS_PER_LINE]
    }
}

impl Guard<'_> {
    /// The epoch at the entry.
    #[must_use]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the partition is still served under the epoch of the entry.
    #[must_use]
    pub(crate) fn holds(&self) -> bool {
        self.place.state.load(Ordering::SeqCst) & OPEN != 0
            && self.place.epoch.load(Ordering::SeqCst) == self.epoch
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::{IsClosed, IsOpen, Ownership, State};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn only_an_open_partition_lets_in() {
        let ownership = Ownership::new(2);
        assert!(ownership.enter(1).is_none());
        ownership.open(1, 7).unwrap();
        assert!(ownership.enter(1).is_some_and(|guard| guard.holds()));
        assert!(ownership.enter(0).is_none());
        assert_eq!(ownership.open(1, 8), Err(IsOpen { epoch: 7 }));
    }

    #[test]
    fn who_is_inside_notices_a_close_and_a_new_epoch() {
        let ownership = Ownership::new(1);
        ownership.open(0, 7).unwrap();
        let guard = ownership.enter(0).unwrap();
        assert!(ownership.close(0));
        assert!(!guard.holds());
        ownership.open(0, 8).unwrap();
        assert!(!guard.holds());
        assert!(ownership.enter(0).unwrap().holds());
    }

    #[test]
    fn what_is_followed_lets_nobody_in_and_can_be_served_again() {
        let ownership = Ownership::new(1);
        ownership.open(0, 7).unwrap();
        ownership.freeze(0).unwrap();
        let epoch = ownership.served_epoch(0);
        ownership.follow(0);
        assert_eq!(
            (epoch, ownership.served_epoch(0)),
            (Some(7), None),
            "a frozen partition is served, a followed one is not"
        );
        assert_eq!(ownership.state(0), State::Followed);
        assert!(ownership.enter(0).is_none());
        assert_eq!(ownership.freeze(0), Err(IsClosed));
        ownership.open(0, 8).unwrap();
        assert_eq!(ownership.state(0), State::Open);
        let guard = ownership.enter(0).unwrap();
        ownership.follow(0);
        assert!(!guard.holds(), "who is inside notices a demotion");
        assert!(!ownership.close(0), "it was followed, not served");
    }

    #[test]
    fn a_seal_ends_the_epoch_until_it_is_thawed() {
        let ownership = Ownership::new(1);
        ownership.open(0, 7).unwrap();
        ownership.seal(0);
        assert_eq!(ownership.served_epoch(0), Some(7), "it was not frozen");
        ownership.freeze(0).unwrap();
        ownership.seal(0);
        assert_eq!(
            (ownership.served_epoch(0), ownership.state(0)),
            (None, State::Frozen)
        );
        ownership.thaw(0);
        assert_eq!(ownership.served_epoch(0), Some(7));
        assert!(ownership.enter(0).is_some_and(|guard| guard.holds()));
        ownership.freeze(0).unwrap();
        ownership.seal(0);
        ownership.follow(0);
        ownership.open(0, 8).unwrap();
        assert_eq!(ownership.served_epoch(0), Some(8));
    }

    #[test]
    fn freezing_waits_for_who_is_inside_and_keeps_others_out() {
        let ownership = Ownership::new(1);
        assert_eq!(ownership.freeze(0), Err(IsClosed));
        ownership.open(0, 1).unwrap();
        let frozen = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let guard = ownership.enter(0).unwrap();
            let freezer = scope.spawn(|| {
                ownership.freeze(0).unwrap();
                frozen.store(true, Ordering::SeqCst);
            });
            while ownership.state(0) != State::Frozen {
                std::thread::yield_now();
            }
            assert!(ownership.enter(0).is_none());
            assert!(guard.holds(), "who is inside may answer");
            assert!(
                !frozen.load(Ordering::SeqCst),
                "freeze returned with a request inside"
            );
            drop(guard);
            freezer.join().unwrap();
        });
        ownership.thaw(0);
        assert!(ownership.enter(0).is_some());
    }

    #[test]
    fn under_contention_nobody_is_inside_after_a_freeze() {
        let ownership = Ownership::new(1);
        let inside = AtomicBool::new(false);
        let done = AtomicBool::new(false);
        ownership.open(0, 1).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    if let Some(_guard) = ownership.enter(0) {
                        inside.store(true, Ordering::SeqCst);
                        inside.store(false, Ordering::SeqCst);
                    }
                }
            });
            for _ in 0..200 {
                ownership.freeze(0).unwrap();
                assert!(!inside.load(Ordering::SeqCst));
                ownership.thaw(0);
            }
            done.store(true, Ordering::SeqCst);
        });
    }
}
