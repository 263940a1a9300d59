//! The token: by which the one who loads is known.
//!
//! Its number is drawn once, over all partitions of an engine; its secret comes from the
//! caller, who draws it from what nobody outside can guess. So no token is good anywhere
//! but where it was given: not for another key, another epoch, or after a restart.

/// Good for one fill of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillToken {
    /// Under which it was given.
    pub epoch: u64,
    /// No other token of this engine has it.
    pub number: u64,
    /// Drawn by the caller.
    pub secret: u64,
}

impl FillToken {
    /// Its length on the wire.
    pub const BYTES: usize = 24;

    /// As it travels.
    pub fn to_bytes(self) -> [u8; FillToken::BYTES] {
        let mut bytes = [0; FillToken::BYTES];
        let words = [self.epoch, self.number, self.secret];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// None: these bytes are no token.
    pub fn from_bytes(bytes: &[u8]) -> Option<FillToken> {
        let bytes: [u8; FillToken::BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Some(FillToken {
            epoch: word(0),
            number: word(8),
            secret: word(16),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::FillToken;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_travels_is_what_was_given(epoch: u64, number: u64, secret: u64) {
            let token = FillToken { epoch, number, secret };
            let bytes = token.to_bytes();
            prop_assert_eq!(FillToken::from_bytes(&bytes), Some(token));
            prop_assert_eq!(FillToken::from_bytes(&bytes[1..]), None);
        }
    }
}
