//! The real lock, and what a thread used while it held it: of `bench/pauses`, which
//! compiles these sources with `cfg(timed)`.
//!
//! A long operation lets go of the lock between its steps, so what it takes in all says
//! nothing of how long others wait for the partition: the longest hold does. There is no
//! clock here either: whoever measures brings one.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use parking_lot::MutexGuard;
use shoal_threads::Seats;

/// What a thread has used until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// On the thread's own CPU clock.
    pub cpu_ns: u64,
    /// Pages that the system had to find for it.
    pub faults: u64,
}

/// The holds of a thread since it asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// How many there were.
    pub count: u64,
    /// What was used during the longest.
    pub longest: Used,
}

static METER: OnceLock<fn() -> Used> = OnceLock::new();

thread_local! {
    static HOLDS: Cell<Holds> = const {
        Cell::new(Holds { count: 0, longest: Used { cpu_ns: 0, faults: 0 } })
    };
}

/// From now on holds are measured by this. Panics where it is called twice.
pub fn measure_holds(meter: fn() -> Used) {
    METER.set(meter).expect("called once");
}

/// What this thread held since it asked last.
pub fn take_holds() -> Holds {
    HOLDS.take()
}

/// Nothing, as long as nobody measures.
fn used() -> Used {
    METER.get().map_or_else(Used::default, |meter| meter())
}

/// The real lock, with a guard that looks at the meter.
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

/// Likewise, for one or several. Who looks holds nothing.
pub(crate) struct Lock<T>(shoal_threads::Lock<T>);

pub(crate) type Guard<'a, T> = Timed<shoal_threads::Guard<'a, T>>;

pub(crate) struct Timed<G> {
    inner: G,
    since: Used,
}

impl<G> Timed<G> {
    fn new(inner: G) -> Timed<G> {
        let since = used();
        Timed { inner, since }
    }
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Timed<MutexGuard<'_, T>> {
        Timed::new(self.0.lock())
    }
}

impl<T: Sync> Lock<T> {
    pub(crate) fn new(value: T, seats: Arc<Seats>, number: u32) -> Lock<T> {
        Lock(shoal_threads::Lock::new(value, seats, number))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Timed::new(self.0.lock())
    }

    pub(crate) fn lock_to_read(&self) -> Guard<'_, T> {
        Timed::new(self.0.lock_to_read())
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        self.0.look(look)
    }

    pub(crate) fn glance<R>(&self, look: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        self.0.glance(look)
    }
}

impl<T> Guard<'_, T> {
    pub(crate) fn take_looks(&mut self) -> usize {
        self.inner.take_looks()
    }
}

impl<G: Deref> Deref for Timed<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.inner
    }
}

impl<G: DerefMut> DerefMut for Timed<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.inner
    }
}

impl<G> Drop for Timed<G> {
    fn drop(&mut self) {
        let now = used();
        let hold = Used {
            cpu_ns: now.cpu_ns - self.since.cpu_ns,
            faults: now.faults - self.since.faults,
        };
        let mut holds = HOLDS.get();
        holds.count += 1;
        if hold.cpu_ns > holds.longest.cpu_ns {
            holds.longest = hold;
        }
        HOLDS.set(holds);
    }
}
