//! Threads by number, for what is kept once for each of them so that they do not fight
//! over a line of memory.

/// This thread's number: the first that asks is 0. Small, because threads stay.
#[cfg(not(explored))]
#[inline]
pub fn thread_number() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    const NOT_YET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(NOT_YET) };
    }
    NUMBER.with(|number| {
        if number.get() == NOT_YET {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}

/// The explorer's threads all run on one real thread: by their own ids, two at least differ
/// in their last bit.
#[cfg(explored)]
pub fn thread_number() -> usize {
    shuttle::thread::current().id().into()
}

/// How many copies are kept of what each thread has one of, a power of two: past that,
/// some share one.
pub fn copy_count() -> usize {
    const COPIES_MAX: usize = 32;
    let threads = match cfg!(explored) {
        true => 2,
        false => std::thread::available_parallelism().map_or(1, usize::from),
    };
    threads.next_power_of_two().min(COPIES_MAX)
}
