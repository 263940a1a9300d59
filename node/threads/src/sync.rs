//! Locks and atomics, and how to wait for another thread: the one place that names them, so
//! that a schedule explorer can stand in for the real ones (`node/explore/threads` compiles
//! these same sources with `cfg(explored)`).
//!
//! The explorer takes every atomic for sequentially consistent. Where that matters they are
//! asked to be (`SeqCst`); the others count, or are read under a mutex.

#[cfg(not(explored))]
pub(crate) use real::pause;
#[cfg(explored)]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicUsize};
#[cfg(explored)]
pub(crate) use shuttled::pause;
#[cfg(not(explored))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize};

#[cfg(not(explored))]
mod real {
    use std::time::Duration;

    /// As long as a short read takes, and some more.
    const SPINS: u32 = 200;

    /// Waits a moment for what another thread does soon; `turn` counts the moments. Who does
    /// not come to an end lost its core: then this thread gives its own up as well.
    pub(crate) fn pause(turn: u32) {
        if turn < SPINS {
            std::hint::spin_loop();
        } else {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

#[cfg(explored)]
mod shuttled {
    pub(crate) fn pause(_turn: u32) {
        shuttle::thread::yield_now();
    }
}
