//! Locks and atomics of the parts on which correctness under threads rests: the fence,
//! ownership, the topology, permits. The one place that names them, so that a
//! schedule explorer can stand in for the real ones.
//!
//! `node/explore/server` compiles these same sources with `cfg(explored)`; there each
//! of them is a point at which the explorer may let another thread run.
//!
//! The explorer takes atomics for sequentially consistent: the fence and ownership
//! ask for that (`SeqCst`), a permit is one counter that stands for itself.
//!
//! Not here: what only counts, and what the transport keeps for itself.

#[cfg(explored)]
pub(crate) use explored::{ArcSwap, Mutex, pause};
#[cfg(not(explored))]
pub(crate) use real::{ArcSwap, Mutex, pause};

#[cfg(explored)]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
#[cfg(not(explored))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

#[cfg(not(explored))]
mod real {
    use std::time::Duration;

    pub(crate) use arc_swap::ArcSwap;
    pub(crate) use parking_lot::Mutex;

    /// Waits for a moment, on this thread, for what another thread does soon.
    pub(crate) fn pause() {
        std::thread::sleep(Duration::from_micros(20));
    }
}

#[cfg(explored)]
mod explored {
    use std::sync::{Arc, PoisonError};

    use shuttle::sync::MutexGuard;

    /// The explorer's lock, with the face of the real one.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A pointer that is read and replaced whole.
    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn new(value: Arc<T>) -> ArcSwap<T> {
            ArcSwap(Mutex::new(value))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            Arc::clone(&self.0.lock())
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            self.load()
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.lock() = value;
        }
    }

    pub(crate) fn pause() {
        shuttle::thread::yield_now();
    }
}
