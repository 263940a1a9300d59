//! Work: how much is done under one hold of a partition's lock, counted, not timed.
//!
//! Whoever waits for a partition waits for what the holder does: entries that it
//! unlinks, relinks or moves (each a few places in memory that nobody touched lately),
//! and bytes that it copies to close holes. Both are bounded: steps are small
//! ([`STEP_ENTRIES`], [`STEP_BYTES`]), and where one operation wants many of them it
//! stops at [`HOLD_ENTRIES`] or [`HOLD_BYTES`], lets others have the lock, and goes on
//! afterwards. An entry that no cache holds any more costs one or two microseconds where
//! a partition is large, so a hold stays far below a millisecond, however many entries
//! there are. Tests assert [`Work::HOLD_ENTRIES_MAX`] and
//! [`Work::HOLD_BYTES_MAX`].
//!
//! Not counted: the value that the caller brings or reads, which is as long as it is.

/// An operation that has touched so many entries begins no new step.
const HOLD_ENTRIES: usize = 64;
/// An operation that has moved so many bytes begins no new step.
const HOLD_BYTES: usize = 64 << 10;
/// Entries that one step of cleaning moves.
pub(crate) const STEP_ENTRIES: usize = 32;
/// Entries that a write moves for the writes to come.
pub(crate) const AHEAD_ENTRIES: usize = 8;
/// Bytes that one step of cleaning passes over, and one entry more.
pub(crate) const STEP_BYTES: usize = 16 << 10;

/// What was done under a partition's lock since it was opened, and the most at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Entries unlinked, relinked, moved or passed over, in all.
    pub entries: u64,
    /// Bytes passed over to close holes, in all.
    pub bytes: u64,
    /// Holds of the lock that did any work.
    pub holds: u64,
    /// The most entries under one hold of the lock.
    pub hold_entries_most: usize,
    /// The most bytes under one hold of the lock.
    pub hold_bytes_most: usize,
    hold_entries: usize,
    hold_bytes: usize,
}

impl Work {
    /// Bound on [`Work::hold_entries_most`], but for calls that bring a budget of their
    /// own: the hold's, the last step's, and splits of chains.
    pub const HOLD_ENTRIES_MAX: usize = HOLD_ENTRIES + 2 * STEP_ENTRIES + 32;
    /// Bound on [`Work::hold_bytes_most`].
    pub const HOLD_BYTES_MAX: usize = HOLD_BYTES + STEP_BYTES + (4 << 10);

    /// Whether another step may begin under this hold.
    pub(crate) fn may_go_on(&self) -> bool {
        self.hold_entries < HOLD_ENTRIES && self.hold_bytes < HOLD_BYTES
    }

    pub(crate) fn add_entries(&mut self, entries: usize) {
        self.hold_entries += entries;
    }

    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.hold_bytes += bytes;
    }

    /// The lock is about to be released.
    pub(crate) fn end_hold(&mut self) {
        if self.hold_entries == 0 && self.hold_bytes == 0 {
            return;
        }
        self.holds += 1;
        self.entries += self.hold_entries as u64;
        self.bytes += self.hold_bytes as u64;
        self.hold_entries_most = self.hold_entries_most.max(self.hold_entries);
        self.hold_bytes_most = self.hold_bytes_most.max(self.hold_bytes);
        (self.hold_entries, self.hold_bytes) = (0, 0);
    }
}
