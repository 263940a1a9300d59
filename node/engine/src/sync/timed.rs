//! The real lock, and what a thread used while it held it: of `bench/pauses`, which
//! compiles these sources with `cfg(timed)`.
//!
//! A long operation lets go of the lock between its steps, so what it takes in all says
//! nothing of how long others wait for the partition: the longest hold does. There is no
//! clock here either: whoever measures brings one.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

use super::real;

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

/// Likewise, for one or several.
pub(crate) struct Lock<T>(real::Lock<T>);

pub(crate) struct Guard<G> {
    inner: G,
    since: Used,
}

impl<G> Guard<G> {
    fn new(inner: G) -> Guard<G> {
        let since = used();
        Guard { inner, since }
    }
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<MutexGuard<'_, T>> {
        Guard::new(self.0.lock())
    }
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(real::Lock::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<RwLockWriteGuard<'_, T>> {
        Guard::new(self.0.lock())
    }

    pub(crate) fn try_lock(&self) -> Option<Guard<RwLockWriteGuard<'_, T>>> {
        self.0.try_lock().map(Guard::new)
    }

    pub(crate) fn share(&self) -> Guard<RwLockReadGuard<'_, T>> {
        Guard::new(self.0.share())
    }

    pub(crate) fn try_share(&self) -> Option<Guard<RwLockReadGuard<'_, T>>> {
        self.0.try_share().map(Guard::new)
    }
}

impl<G: Deref> Deref for Guard<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.inner
    }
}

impl<G: DerefMut> DerefMut for Guard<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.inner
    }
}

impl<G> Drop for Guard<G> {
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
