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
pub(crate) use explored::{Lock, Mutex};
#[cfg(not(any(explored, timed)))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(any(explored, timed)))]
pub(crate) use real::Lock;
#[cfg(timed)]
pub(crate) use timed::{Lock, Mutex};

#[cfg(explored)]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicUsize};
#[cfg(not(explored))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize};

#[cfg(timed)]
pub(crate) mod timed;

#[cfg(not(explored))]
mod real {
    use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// A lock that one holds alone, or several side by side who change nothing. Taken
    /// alone, and by nobody else, it costs what a mutex does.
    pub(crate) struct Lock<T>(RwLock<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Lock<T> {
            Lock(RwLock::new(value))
        }

        /// Alone.
        #[inline]
        pub(crate) fn lock(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write()
        }

        /// Alone. None: somebody holds it.
        #[inline]
        pub(crate) fn try_lock(&self) -> Option<RwLockWriteGuard<'_, T>> {
            self.0.try_write()
        }

        /// Side by side with others who do so.
        #[inline]
        pub(crate) fn share(&self) -> RwLockReadGuard<'_, T> {
            self.0.read()
        }

        /// Likewise. None: somebody holds it alone, or waits to.
        #[inline]
        pub(crate) fn try_share(&self) -> Option<RwLockReadGuard<'_, T>> {
            self.0.try_read()
        }
    }
}

#[cfg(explored)]
mod explored {
    use std::sync::PoisonError;

    use shuttle::sync::{MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

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

    /// Likewise, for one or several.
    pub(crate) struct Lock<T>(RwLock<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Lock<T> {
            Lock(RwLock::new(value))
        }

        pub(crate) fn lock(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<RwLockWriteGuard<'_, T>> {
            self.0.try_write().ok()
        }

        pub(crate) fn share(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_share(&self) -> Option<RwLockReadGuard<'_, T>> {
            self.0.try_read().ok()
        }
    }
}
