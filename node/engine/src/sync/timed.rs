//! The real lock, and what a thread used while it held it: of `bench/pauses`, which
//! compiles these sources with `cfg(timed)`.
//!
//! A long operation lets go of the lock between its steps, so what it takes in all says
//! nothing of how long others wait for the partition: the longest hold does. There is no
//! clock here either: whoever measures brings one.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

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

pub(crate) struct Guard<'a, T> {
    inner: parking_lot::MutexGuard<'a, T>,
    since: Used,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let inner = self.0.lock();
        let since = used();
        Guard { inner, since }
    }

    /// None: somebody holds it.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let inner = self.0.try_lock()?;
        let since = used();
        Some(Guard { inner, since })
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for Guard<'_, T> {
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
