//! How long a request takes here, without reading the clock for it.
//!
//! Operations read the clock anyway, when they enter their partition and before they are
//! answered (see [`crate::node`]). These instants are noted for the thread. So the
//! time of a request that is answered at once is from its first operation's entry to its
//! last one's answer: what it costs the engine and whoever it waits for there, without
//! decoding and encoding, which cost a few hundred nanoseconds. A request that failed
//! before any operation took no time.
//!
//! A request is answered at once by one thread, and nothing is awaited meanwhile: so the
//! thread's notes are its own. What was read for some operations of a batch before they were
//! answered is also when the next ones enter (see [`crate::visit`]).

use std::cell::Cell;

/// The thread's notes.
#[derive(Clone, Copy)]
struct Span {
    /// A request is being answered, and nothing was awaited since it began.
    is_open: bool,
    /// First and last instant, in nanoseconds; 0: none yet.
    first_ns: u64,
    last_ns: u64,
}

const NOTHING: Span = Span {
    is_open: false,
    first_ns: 0,
    last_ns: 0,
};

thread_local! {
    static SPAN: Cell<Span> = const { Cell::new(NOTHING) };
}

/// A request begins.
#[inline]
pub(crate) fn begin() {
    SPAN.set(Span {
        is_open: true,
        ..NOTHING
    });
}

/// The clock was read.
#[inline]
pub(crate) fn tick(now_ns: u64) {
    let span = SPAN.get();
    SPAN.set(Span {
        first_ns: if span.first_ns == 0 {
            now_ns
        } else {
            span.first_ns
        },
        last_ns: now_ns,
        ..span
    });
}

/// The request was answered, or waits. How long it took, as far as the clock was read.
#[inline]
pub(crate) fn end() -> u64 {
    let span = SPAN.get();
    SPAN.set(Span {
        is_open: false,
        ..span
    });
    span.last_ns.saturating_sub(span.first_ns)
}

/// When the clock was read last for the request that is being answered.
#[inline]
pub(crate) fn of_this_request_ns() -> Option<u64> {
    let span = SPAN.get();
    (span.is_open && span.last_ns != 0).then_some(span.last_ns)
}

/// When the clock was read last on this thread; 0 where it was not.
#[inline]
pub(crate) fn last_ns() -> u64 {
    SPAN.get().last_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_of_the_request_that_made_it() {
        begin();
        assert_eq!(of_this_request_ns(), None);
        tick(7);
        tick(9);
        assert_eq!(of_this_request_ns(), Some(9));
        assert_eq!(end(), 2);
        assert_eq!(
            of_this_request_ns(),
            None,
            "it waits: time has passed since"
        );
        tick(40);
        assert_eq!(of_this_request_ns(), None, "nobody knows what is awaited");
        assert_eq!(last_ns(), 40);
        begin();
        assert_eq!(of_this_request_ns(), None);
    }
}
