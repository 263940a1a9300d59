//! Flow-control windows, as numbers.
//!
//! Invariant: a sending window never exceeds 2^31-1; it may fall below zero, when the
//! peer lowers its initial size. A receiving window never falls below zero.

use crate::error::Code;

/// The largest window.
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The window of everything before anybody said otherwise.
pub(crate) const WINDOW_AT_FIRST: u32 = 65_535;

/// How much may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendWindow(i64);

impl SendWindow {
    pub(crate) fn new(bytes: u32) -> SendWindow {
        SendWindow(bytes.into())
    }

    /// Bytes that may be sent now.
    pub(crate) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// The peer lets more through, or less.
    pub(crate) fn change(&mut self, by: i64) -> Result<(), Code> {
        let changed = self.0 + by;
        if changed > WINDOW_MAX {
            return Err(Code::FlowControl);
        }
        self.0 = changed;
        Ok(())
    }
}

/// How much the peer may send, and how much of it is not given back yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWindow {
    size: u32,
    left: u32,
    owed: u32,
}

impl ReceiveWindow {
    pub(crate) fn new(size: u32) -> ReceiveWindow {
        ReceiveWindow {
            size,
            left: size,
            owed: 0,
        }
    }

    /// So many bytes came.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Code> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let left = left.checked_sub(bytes).ok_or(Code::FlowControl)?;
        self.left = u32::try_from(left).unwrap_or(u32::MAX);
        Ok(())
    }

    /// So many bytes need no room any more. Returns what to tell the peer now: little
    /// is not worth a frame.
    #[must_use]
    pub(crate) fn release(&mut self, bytes: usize) -> Option<u32> {
        let most = self.size - self.left;
        let owed = usize::try_from(self.owed).unwrap_or(usize::MAX);
        let owed = u32::try_from(owed.saturating_add(bytes)).unwrap_or(u32::MAX);
        self.owed = owed.min(most);
        (self.owed > 0 && self.owed >= self.size / 2).then(|| {
            self.left += self.owed;
            std::mem::take(&mut self.owed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ReceiveWindow, SendWindow};
    use crate::error::Code;

    #[test]
    fn what_is_released_is_told_in_halves() {
        let mut window = ReceiveWindow::new(100);
        window.take(80).unwrap();
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert_eq!(window.take(71), Err(Code::FlowControl));
        window.take(70).unwrap();
        assert_eq!(window.release(1000), Some(100), "no more than was taken");
    }

    #[test]
    fn a_window_may_fall_below_zero_and_not_rise_above_its_bound() {
        let mut window = SendWindow::new(10);
        window.take(10);
        window.change(-5).unwrap();
        assert_eq!(window.available(), 0);
        window.change(7).unwrap();
        assert_eq!(window.available(), 2);
        assert_eq!(window.change(i64::from(i32::MAX)), Err(Code::FlowControl));
    }
}
