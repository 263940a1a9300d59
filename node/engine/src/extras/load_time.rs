//! How long a load took, in one byte: never less than it took, and an eighth more at most.
//!
//! Five bits of exponent, three of mantissa: small numbers stand for themselves.

const MANTISSA_BITS: u32 = 3;
const EXACT_BELOW: u64 = 1 << (MANTISSA_BITS + 1);

/// The default is no time at all: nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadTime(u8);

impl LoadTime {
    pub(crate) fn of_ms(ms: u64) -> LoadTime {
        if ms < EXACT_BELOW {
            return LoadTime(ms as u8);
        }
        let shift = ms.ilog2() - MANTISSA_BITS;
        let mantissa = ms.div_ceil(1 << shift);
        // Rounding up may carry into the exponent, and then it does.
        let code = (u64::from(shift) << MANTISSA_BITS) + mantissa;
        LoadTime(code.min(u8::MAX.into()) as u8)
    }

    pub(crate) fn ms(self) -> u64 {
        let code = u64::from(self.0);
        if code < EXACT_BELOW {
            return code;
        }
        let shift = (code >> MANTISSA_BITS) - 1;
        let mantissa = code - (shift << MANTISSA_BITS);
        mantissa << shift
    }

    pub(crate) fn of_code(code: u8) -> LoadTime {
        LoadTime(code)
    }

    pub(crate) fn code(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::LoadTime;
    use proptest::prelude::*;

    #[test]
    fn codes_rise_and_stand_for_themselves() {
        let mut before = None;
        for code in 0..=u8::MAX {
            let ms = LoadTime::of_code(code).ms();
            assert!(before < Some(ms));
            assert_eq!(LoadTime::of_ms(ms).code(), code);
            before = Some(ms);
        }
    }

    proptest! {
        #[test]
        fn it_is_never_less_and_an_eighth_more_at_most(ms in 0..10_000_000_u64) {
            let told = LoadTime::of_ms(ms).ms();
            prop_assert!(told >= ms && told <= ms + ms / 8 + 1);
        }
    }
}
