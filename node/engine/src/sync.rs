//! Locks and atomics: the one place that names them, so that a schedule explorer can
//! stand in for the real ones.
//!
//! `node/explore/engine` compiles these same sources with `cfg(explored)`; there each
//! lock and each atomic is a point at which the explorer may let another thread run.
//! Whatever two threads can touch goes through this file: a lock taken from elsewhere
//! is one that the explorer cannot see. `bench/pauses` compiles them with `cfg(timed)`:
//! there locks tell how long they were held.
//!
//! The explorer takes every atomic for sequentially consistent. That is enough here:
//! data is reached under a partition's lock alone, and each atomic stands for itself
//! (a sum, a hint, a counter), so no two of them need an order between them.

#[cfg(explored)]
pub(crate) use explored::Mutex;
#[cfg(not(any(explored, timed)))]
pub(crate) use parking_lot::Mutex;
pub(crate) use shoal_threads::Seats;
#[cfg(not(timed))]
pub(crate) use shoal_threads::{Guard, Lock};
#[cfg(timed)]
pub(crate) use timed::{Guard, Lock, Mutex};

#[cfg(explored)]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicUsize};
#[cfg(not(explored))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize};

#[cfg(timed)]
pub(crate) mod timed;

#[cfg(explored)]
mod explored {
    use std::sync::PoisonError;

    use shuttle::sync::MutexGuard;

    /// The explorer's lock, with the face of the real one.
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
