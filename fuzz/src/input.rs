//! A fuzzer's bytes, read as choices and numbers. Past the end everything is zero, so
//! that every input means something and a short one stays short.

/// What is left of the input.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn long(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number of any size: small ones are frequent, and so are the ends of ranges.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => small.into(),
            200..230 => self.short().into(),
            230 => u64::MAX,
            231 => i64::MAX as u64,
            232 => i64::MIN as u64,
            _ => self.long(),
        }
    }

    /// Up to so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their count.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let count = self.byte();
        self.take(count.into())
    }
}
