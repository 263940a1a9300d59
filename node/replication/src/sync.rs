//! Locks and atomics: the one place that names them, so that a schedule explorer can
//! stand in for the real ones.
//!
//! `node/explore/replication` compiles these same sources with `cfg(explored)`, for its own
//! scenarios and for what is explored above them; there each lock and each atomic is a
//! point at which the explorer may let another thread run.
//!
//! Where an atomic is read without a lock, the engine's lock orders it: what a writer
//! stored before it called the engine is seen by whoever found its write there.

#[cfg(explored)]
pub(crate) use explored::Mutex;
#[cfg(not(explored))]
pub(crate) use parking_lot::Mutex;

#[cfg(explored)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(not(explored))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

#[cfg(explored)]
mod explored {
    use std::sync::PoisonError;

    use shuttle::sync::MutexGuard;

    /// The explorer's lock, with the face of the real one.
    #[derive(Debug, Default)]
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
