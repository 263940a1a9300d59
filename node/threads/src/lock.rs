//! A lock that one holds alone, or behind which many read side by side.
//!
//! Who takes it alone, and nobody else is there, pays for a mutex and a glance at a flag.
//! Readers may take it alone too, and where one finds it held it becomes *crowded*: from then
//! on readers take their own seats ([`Seats`]) instead of the mutex, and write to no
//! line that another thread uses. (Dice and Kogan, "BRAVO: Biased Locking for Reader-Writer
//! Locks", USENIX ATC 2019, has readers publish themselves in a table in the same way.)
//!
//! **Who holds the mutex reaches the value only while no reader is in.** A reader takes its
//! seat first and looks at the flag then; who takes the mutex takes the flag away first and
//! looks at all seats then, all of it in one order (`SeqCst`). So either the reader sees that
//! the flag is gone, and leaves without having looked, or it is seen and waited for. The
//! flag is set and taken away under the mutex alone; who sets it does so last, so a reader
//! that finds it set sees all that was written before. Without the mutex it may only be
//! asked for.
//!
//! Who takes it alone while it is crowded looks at a line of every seat, twice. It stays
//! crowded past that if very many have looked since the last who did; so what a look costs
//! by that is next to nothing, and where much is written it is not crowded for long.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::data::{Data, DataGuard, Shared, let_go, reach};
use crate::seats::{Seats, Sitting};
use crate::sync::{AtomicU32, AtomicUsize};

/// Readers take the mutex,
const QUIET: u32 = 0;
/// or seats;
const CROWDED: u32 = 1;
/// or the mutex, until who holds it now lets it go.
const WANTED: u32 = 2;

/// So many looks for each seat are very many.
const LOOKS_PER_SEAT: usize = if cfg!(explored) { 1 } else { 32 };

/// See the file. In this order, so that what a reader wants lies beside the value.
#[repr(C)]
pub struct Lock<T> {
    seats: Arc<Seats>,
    /// Of this lock, among those that share the seats.
    number: u32,
    /// One of the three.
    crowd: AtomicU32,
    /// What was taken from the seats and not asked for yet; changed under the mutex alone.
    looks: AtomicUsize,
    data: Data<T>,
}

/// The value, alone.
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// It is crowded once this is dropped.
    is_crowded: bool,
    data: DataGuard<'a, T>,
}

/// The value, side by side with others.
struct Inside<'a, T> {
    /// Dropped first: it is not used once the seat is free.
    value: Shared<'a, T>,
    sitting: Sitting<'a>,
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lock").finish_non_exhaustive()
    }
}

impl<T> Inside<'_, T> {
    #[inline]
    fn value(&self) -> &T {
        // Of a reference, or of the explorer's guard.
        Deref::deref(&self.value)
    }
}

impl<T> Lock<T> {
    /// `number`: no other lock of these seats has it.
    pub fn new(value: T, seats: Arc<Seats>, number: u32) -> Lock<T> {
        Lock {
            seats,
            number,
            crowd: AtomicU32::new(QUIET),
            looks: AtomicUsize::new(0),
            data: Data::new(value),
        }
    }

    /// Goes in alone.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        self.alone(self.data.lock())
    }

    /// Goes in alone. None: somebody else is.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        Some(self.alone(self.data.try_lock()?))
    }

    /// Goes in alone, to read. Who has to wait for that makes it crowded.
    #[inline]
    pub fn lock_to_read(&self) -> Guard<'_, T> {
        self.try_lock().unwrap_or_else(|| {
            let mut guard = self.lock();
            guard.is_crowded = true;
            guard
        })
    }

    /// Looks at the value side by side with others who do, if it is crowded, and counts
    /// that. None: it is not, or `look` is none, or this thread's seat is taken; then nothing
    /// was counted.
    ///
    /// `look` must not come to a lock of the same seats.
    #[inline]
    pub fn look<R>(&self, look: impl FnOnce(&T) -> Option<R>) -> Option<R>
    where
        T: Sync,
    {
        // Where it is not crowded nobody writes to a seat.
        if self.crowd.load(Relaxed) != CROWDED {
            return None;
        }
        let inside = self.go_inside()?;
        let found = look(inside.value())?;
        inside.sitting.count();
        Some(found)
    }

    /// Looks at the value, crowded or not, if that can be done without waiting, and does not
    /// count it. Who looks ahead is about to read: where somebody is in alone it becomes
    /// crowded.
    #[inline]
    pub fn glance<R>(&self, look: impl FnOnce(&T) -> Option<R>) -> Option<R>
    where
        T: Sync,
    {
        let (alone, inside);
        let value: &T = if self.crowd.load(Relaxed) == CROWDED {
            inside = self.go_inside()?;
            inside.value()
        } else if let Some(guard) = self.try_lock() {
            alone = guard;
            &alone
        } else {
            let _ = self.crowd.compare_exchange(QUIET, WANTED, Relaxed, Relaxed);
            return None;
        };
        look(value)
    }

    #[inline]
    fn go_inside(&self) -> Option<Inside<'_, T>>
    where
        T: Sync,
    {
        let sitting = self.seats.sit(self.number)?;
        if self.crowd.load(SeqCst) != CROWDED {
            return None;
        }
        // SAFETY: by the order that this file tells of: whoever holds the mutex now took the
        // flag away, or will, and waits for this seat before it reaches the value.
        let value = unsafe { self.data.shared() };
        Some(Inside { value, sitting })
    }

    #[inline]
    fn alone<'a>(&'a self, mut data: DataGuard<'a, T>) -> Guard<'a, T> {
        // Nobody else makes it crowded, or quiet, while the mutex is held.
        let is_crowded = self.crowd.load(Relaxed) == CROWDED && self.disperse();
        reach(&mut data);
        Guard {
            lock: self,
            is_crowded,
            data,
        }
    }

    /// Lets no reader in any more and waits for those who are. Returns whether it stays
    /// crowded after this.
    #[cold]
    fn disperse(&self) -> bool {
        self.crowd.store(QUIET, SeqCst);
        self.seats.wait_for_readers(self.number);
        let looks = self.seats.take_looks(self.number);
        self.looks.store(self.looks.load(Relaxed) + looks, Relaxed);
        looks >= LOOKS_PER_SEAT * self.seats.count()
    }
}

impl<T> Guard<'_, T> {
    /// How often [`Lock::look`] has shown something since this was asked last.
    pub fn take_looks(&mut self) -> usize {
        self.lock.looks.swap(0, Relaxed)
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let_go(&mut self.data);
        if self.is_crowded || self.lock.crowd.load(Relaxed) == WANTED {
            // Before the mutex is released, which is dropped behind this.
            self.lock.crowd.store(CROWDED, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::{LOOKS_PER_SEAT, Lock};
    use crate::seats::Seats;

    fn lock(value: u64) -> Lock<[u64; 16]> {
        Lock::new([value; 16], Arc::new(Seats::new(5)), 4)
    }

    /// As if a reader had found somebody in.
    fn crowd(lock: &Lock<[u64; 16]>) {
        lock.lock().is_crowded = true;
    }

    fn look(lock: &Lock<[u64; 16]>) -> Option<u64> {
        lock.look(|value| Some(value[0]))
    }

    #[test]
    fn nobody_looks_where_no_reader_had_to_wait() {
        let lock = lock(7);
        drop(lock.lock());
        drop(lock.lock_to_read());
        assert_eq!(look(&lock), None);
        assert_eq!(lock.glance(|value| Some(value[0])), Some(7));
        let mut alone = lock.lock();
        assert_eq!(alone.take_looks(), 0);
        assert!(lock.try_lock().is_none());
        drop(alone);
        assert_eq!(look(&lock), None, "who does not read does not crowd it");
        let alone = lock.lock();
        assert_eq!(lock.glance(|value| Some(value[0])), None, "somebody is in");
        assert_eq!(look(&lock), None);
        drop(alone);
        assert_eq!(look(&lock), Some(7));
        assert_eq!(lock.glance(|value| Some(value[0])), Some(7));
        assert_eq!(lock.look(|_| None::<u64>), None);
        assert_eq!(
            lock.lock().take_looks(),
            1,
            "only what was shown is counted"
        );
    }

    #[test]
    fn it_stays_crowded_past_a_writer_if_very_many_looked() {
        let lock = lock(1);
        let many = LOOKS_PER_SEAT * lock.seats.count();
        for looks in [many - 1, many] {
            crowd(&lock);
            (0..looks).for_each(|_| assert_eq!(look(&lock), Some(1)));
            lock.lock()[0] = 1;
            assert_eq!(look(&lock).is_some(), looks == many);
        }
        // Of both turns, and the look that showed that it was crowded still.
        assert_eq!(lock.lock().take_looks(), 2 * many);
    }

    #[test]
    fn under_contention_a_look_sees_nothing_half_written() {
        const WRITES: u64 = 20_000;
        let (lock, is_over) = (lock(0), AtomicBool::new(false));
        let looks = std::thread::scope(|scope| {
            let reader = || {
                let (mut newest, mut looks) = (0, 0);
                while !is_over.load(SeqCst) {
                    let looked = lock.look(|value| Some(*value));
                    looks += usize::from(looked.is_some());
                    let seen = looked.unwrap_or_else(|| *lock.lock_to_read());
                    assert_eq!(seen, [seen[0]; 16]);
                    assert!(seen[0] >= newest, "it went back");
                    newest = seen[0];
                }
                looks
            };
            let readers: Vec<_> = (0..4).map(|_| scope.spawn(reader)).collect();
            for write in 1..=WRITES {
                for place in &mut *lock.lock() {
                    *place = write;
                }
            }
            is_over.store(true, SeqCst);
            readers.into_iter().map(|it| it.join().unwrap()).sum()
        });
        let mut alone = lock.lock();
        assert_eq!((alone[0], alone.take_looks()), (WRITES, looks));
    }
}
