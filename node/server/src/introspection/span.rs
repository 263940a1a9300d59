//! How long a request takes here, without reading the clock for it.
//!
//! Every operation reads the clock twice anyway, when it enters its partition and before
//! it is answered (see [`crate::node`]). These instants are noted for the thread. So the
//! time of a request that is answered at once is from its first operation's entry to its
//! last one's answer: what it costs the engine and whoever it waits for there, without
//! decoding and encoding, which cost a few hundred nanoseconds. A request that failed
//! before any operation took no time.
//!
//! A request is answered at once by one thread, and nothing is awaited meanwhile: so the
//! thread's notes are its own.

use std::cell::Cell;

thread_local! {
    /// First and last instant, in nanoseconds; (0, 0): none yet.
    static SPAN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A request begins.
#[inline]
pub(crate) fn begin() {
    SPAN.set((0, 0));
}

/// The clock was read.
#[inline]
pub(crate) fn tick(now_ns: u64) {
    SPAN.with(|span| {
        let (first, _) = span.get();
        span.set((if first == 0 { now_ns } else { first }, now_ns));
    });
}

/// Since the request began, as far as the clock was read.
#[inline]
pub(crate) fn elapsed_ns() -> u64 {
    let (first, last) = SPAN.get();
    last.saturating_sub(first)
}

/// When the clock was read last on this thread; 0 where it was not.
#[inline]
pub(crate) fn last_ns() -> u64 {
    SPAN.get().1
}
