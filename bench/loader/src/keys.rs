//! Which keys are asked for, and what their values must be. Pure.
//!
//! A value is its key, padded with a pattern that depends on the key: an answer can be
//! verified without keeping anything.

/// Draws keys at random, by SplitMix64 (Steele, Lea, Flood 2014), or counts through them.
pub(crate) struct Draw {
    state: u64,
    first: u64,
    count: u64,
    /// Of a fill: how many have been handed out.
    next: Option<u64>,
}

impl Draw {
    pub(crate) fn at_random(seed: u64, first: u64, count: u64) -> Self {
        Self {
            state: seed,
            first,
            count,
            next: None,
        }
    }

    pub(crate) fn in_order(first: u64, count: u64) -> Self {
        Self {
            next: Some(0),
            ..Self::at_random(0, first, count)
        }
    }

    /// The next key; none when a fill has handed out all.
    pub(crate) fn draw(&mut self) -> Option<u64> {
        if let Some(next) = &mut self.next {
            let number = *next;
            *next += 1;
            return (number < self.count).then_some(self.first + number);
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Some(self.first + mixed % self.count)
    }
}

/// The texts of keys and values, of the lengths asked for.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    /// Long enough that a value can begin anywhere in its first 256 bytes.
    pattern: Vec<u8>,
}

impl Texts {
    pub(crate) fn new(key_bytes: usize, value_bytes: usize) -> Self {
        // Printable, without the ends of lines that text protocols know.
        let pattern = (0..value_bytes + 256)
            .map(|n| b'a' + ((n * 7 + n / 251) % 26) as u8)
            .collect();
        Self {
            key_bytes,
            value_bytes,
            pattern,
        }
    }

    /// `key:000000000042`.
    pub(crate) fn key(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"key:");
        out.resize(start + self.key_bytes, b'0');
        let mut rest = number;
        for digit in out[start + 4..].iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    pub(crate) fn value(&self, number: u64, out: &mut Vec<u8>) {
        self.key(number, out);
        out.extend_from_slice(self.padding(number));
    }

    /// Whether `value` is that of the key: its length and its head, and with `is_full`
    /// every byte.
    pub(crate) fn is_value(&self, number: u64, value: &[u8], is_full: bool) -> bool {
        if value.len() != self.value_bytes {
            return false;
        }
        let (head, padding) = value.split_at(self.key_bytes);
        let mut rest = number;
        for digit in head[4..].iter().rev() {
            if *digit != b'0' + (rest % 10) as u8 {
                return false;
            }
            rest /= 10;
        }
        head.starts_with(b"key:") && (!is_full || padding == self.padding(number))
    }

    fn padding(&self, number: u64) -> &[u8] {
        let from = (number % 256) as usize;
        &self.pattern[from..from + self.value_bytes - self.key_bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::{Draw, Texts};

    #[test]
    fn a_value_is_known_by_its_key_alone() {
        let texts = Texts::new(16, 100);
        let mut value = Vec::new();
        texts.value(42, &mut value);
        assert!(value.starts_with(b"key:000000000042"));
        assert!(texts.is_value(42, &value, true));
        assert!(!texts.is_value(43, &value, false));
        assert!(!texts.is_value(42, &value[1..], false));
        value[99] ^= 1;
        assert!(!texts.is_value(42, &value, true));
        assert!(texts.is_value(42, &value, false));
    }

    #[test]
    fn a_fill_hands_out_each_key_once() {
        let mut draw = Draw::in_order(10, 3);
        let drawn: Vec<_> = std::iter::from_fn(|| draw.draw()).collect();
        assert_eq!(drawn, [10, 11, 12]);
        assert_eq!(draw.draw(), None);
    }

    #[test]
    fn a_draw_stays_within_its_keys_and_reaches_them() {
        let mut draw = Draw::at_random(1, 5, 10);
        let mut seen = [0; 10];
        for _ in 0..1000 {
            seen[(draw.draw().unwrap() - 5) as usize] += 1;
        }
        assert!(seen.iter().all(|&times| times > 50), "{seen:?}");
    }
}
