//! The memory account: who may allocate how much.
//!
//! One [`Account`] stands for the engine, one [`Ledger`] for each open
//! partition. Nothing that grows with the data is allocated before its ledger
//! was charged, and a charge that would pass `maxmemory_bytes` fails, so the
//! bound is strict whatever the threads do.
//!
//! The bound may be lowered below `maxmemory_bytes` and raised again ([`crate::limit`]):
//! what is held beyond it then stays until it is given up.
//!
//! What is given up is refunded at once and freed a little later, when the partition's lock
//! was released ([`GivenUp`]).
//!
//! Invariants: the account's `used` is the engine's fixed part plus the sum of
//! the ledgers; a ledger's `held` is what [`crate::partition`] finds when it adds
//! up its parts (checked by `validate`).
//!
//! Non-goals: the transient second buffer while a segment is reallocated (at
//! most 64 KiB a thread), the body of a long value that is being written (one a thread,
//! see [`crate::body`]), stacks, and what the allocator keeps in reserve.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::sync::AtomicUsize;

/// What the engine may allocate, shared by all partitions.
#[derive(Debug)]
pub(crate) struct Account {
    used_bytes: AtomicUsize,
    max_bytes: AtomicUsize,
}

impl Account {
    pub(crate) fn new(max_bytes: usize, fixed_bytes: usize) -> Account {
        Account {
            used_bytes: AtomicUsize::new(fixed_bytes),
            max_bytes: AtomicUsize::new(max_bytes),
        }
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Relaxed)
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.load(Relaxed)
    }

    pub(crate) fn set_max_bytes(&self, bytes: usize) {
        self.max_bytes.store(bytes, Relaxed);
    }

    /// What is free, if that is less than this part of all.
    fn scarce_bytes(&self, part: usize) -> Option<usize> {
        let max_bytes = self.max_bytes();
        let free = max_bytes.saturating_sub(self.used_bytes());
        (free < max_bytes / part).then_some(free)
    }

    fn try_charge(&self, bytes: usize) -> bool {
        let max_bytes = self.max_bytes();
        self.used_bytes
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= max_bytes)
            })
            .is_ok()
    }

    fn refund(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "refunded {bytes} of {before} bytes");
    }
}

/// One partition's share of the account. Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Ledger {
    account: Arc<Account>,
    held_bytes: usize,
    given_up: GivenUp,
}

/// Blocks that are to be freed once the lock is released under which they were given up.
/// Mostly that takes no time, but it is the allocator's: the block that is freed last may be
/// what kept hundreds of MiB from going back to the system, page by page, all at once.
#[derive(Debug, Default)]
pub(crate) struct GivenUp(Vec<Box<dyn Any + Send + Sync>>);

#[cfg(test)]
impl GivenUp {
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

impl Ledger {
    pub(crate) fn new(account: Arc<Account>) -> Ledger {
        Ledger {
            account,
            held_bytes: 0,
            given_up: GivenUp::default(),
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Of what is free, as much as this ledger holds of what is used. None: more than
    /// this part of all is free.
    pub(crate) fn free_part_bytes(&self, part: usize) -> Option<usize> {
        let free = self.account.scarce_bytes(part)? as u128;
        let used = self.account.used_bytes().max(1) as u128;
        Some((free * self.held_bytes as u128 / used) as usize)
    }

    /// Whether `bytes` would fit if nothing else were held.
    pub(crate) fn could_fit(&self, bytes: usize) -> bool {
        bytes <= self.account.max_bytes()
    }

    /// Charges `bytes`, or nothing if they do not fit.
    #[must_use]
    pub(crate) fn try_charge(&mut self, bytes: usize) -> bool {
        let fits = self.account.try_charge(bytes);
        if fits {
            self.held_bytes += bytes;
        }
        fits
    }

    pub(crate) fn refund(&mut self, bytes: usize) {
        debug_assert!(self.held_bytes >= bytes);
        self.held_bytes -= bytes;
        self.account.refund(bytes);
    }

    /// Refunds the `bytes` that a block was charged with; it is freed by who calls
    /// [`Ledger::take_given_up`].
    pub(crate) fn give_up(&mut self, block: impl Any + Send + Sync, bytes: usize) {
        self.refund(bytes);
        self.given_up.0.push(Box::new(block));
    }

    /// To be dropped once the lock is released.
    #[must_use]
    pub(crate) fn take_given_up(&mut self) -> GivenUp {
        std::mem::take(&mut self.given_up)
    }

    /// Charges the difference between an allocation's old and new size.
    #[must_use]
    pub(crate) fn try_resize(&mut self, old_bytes: usize, new_bytes: usize) -> bool {
        let (old, new) = (allocated(old_bytes), allocated(new_bytes));
        if new > old {
            return self.try_charge(new - old);
        }
        self.refund(old - new);
        true
    }

    /// Makes sure that one more element can be pushed to `table`, doubling it:
    /// smaller steps leave more of the allocator's memory idle than they save.
    #[must_use]
    pub(crate) fn room_for_one<T>(&mut self, table: &mut Vec<T>) -> bool {
        if table.len() < table.capacity() {
            return true;
        }
        let old = table.capacity();
        let new = (2 * old).max(4);
        let fits = self.try_resize(old * size_of::<T>(), new * size_of::<T>());
        if fits {
            table.reserve_exact(new - table.len());
            debug_assert_eq!(table.capacity(), new);
        }
        fits
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.account.refund(self.held_bytes);
    }
}

/// What an allocation of `bytes` costs: glibc's header and rounding, and whole
/// pages where it maps them. Other allocators round less for the sizes used here
/// (few allocations, mostly of 64 KiB).
pub(crate) const fn allocated(bytes: usize) -> usize {
    const HEADER_BYTES: usize = 8;
    const MAPPED_FROM_BYTES: usize = 128 << 10;
    match bytes {
        0 => 0,
        1..=24 => 32,
        _ if bytes < MAPPED_FROM_BYTES => (bytes + HEADER_BYTES).next_multiple_of(16),
        _ => (bytes + 2 * HEADER_BYTES).next_multiple_of(4096),
    }
}

/// What a table of this capacity costs.
pub(crate) fn table_bytes<T>(table: &Vec<T>) -> usize {
    allocated(table.capacity() * size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_that_does_not_fit_changes_nothing() {
        let account = Arc::new(Account::new(100, 10));
        let mut ledger = Ledger::new(Arc::clone(&account));
        assert!(ledger.try_charge(90));
        assert!(!ledger.try_charge(1));
        assert_eq!((ledger.held_bytes(), account.used_bytes()), (90, 100));
        ledger.refund(40);
        assert!(ledger.try_charge(40));
    }

    #[test]
    fn dropping_a_ledger_gives_everything_back() {
        let account = Arc::new(Account::new(1000, 10));
        let mut ledger = Ledger::new(Arc::clone(&account));
        let mut table = Vec::<u64>::new();
        assert!(ledger.room_for_one(&mut table));
        assert_eq!(ledger.held_bytes(), table_bytes(&table));
        drop(ledger);
        assert_eq!(account.used_bytes(), 10);
    }

    #[test]
    fn what_is_given_up_is_refunded_at_once_and_freed_once_it_is_taken() {
        let mut ledger = Ledger::new(Arc::new(Account::new(100, 10)));
        assert!(ledger.try_charge(90));
        let block = Arc::new(());
        ledger.give_up(Arc::clone(&block), 60);
        assert_eq!((ledger.held_bytes(), Arc::strong_count(&block)), (30, 2));
        drop(ledger.take_given_up());
        assert_eq!((ledger.held_bytes(), Arc::strong_count(&block)), (30, 1));
        assert!(ledger.take_given_up().is_nothing());
    }

    #[test]
    fn rounding_is_never_below_what_was_asked_for() {
        assert_eq!(allocated(0), 0);
        assert_eq!(allocated(1), 32);
        assert_eq!(allocated(24), 32);
        assert_eq!(allocated(25), 48);
        assert_eq!(allocated(128 << 10), (128 << 10) + 4096);
    }
}
