//! Adding to a decimal integer.
//!
//! What is stored is what Redis stores: ASCII digits with an optional minus, no
//! plus, no leading zeros, no spaces, within 64 bits signed.
//!
//! A number that grows by a digit may need room. Where that takes several holds of the
//! lock, the operation begins anew after each: others may have added meanwhile, and an
//! entry that was evicted meanwhile, even for this write, counts as evicted before it.

use super::Stop;
use crate::entry::{self, Draft};
use crate::extras::Extras;
use crate::extras::tags::Tags;
use crate::fairness::MayEvict;
use crate::partition::{Partition, deadline_ms};
use crate::refused::Refused;
use crate::replication::RequestId;
use crate::request::{Increment, Incremented, Now};

/// `i64::MIN` has a minus and 19 digits.
const DIGITS_MAX: usize = 20;

impl Partition {
    pub(crate) fn incr(
        &mut self,
        key: &[u8],
        add: &Increment,
        request: Option<RequestId<'_>>,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Incremented, Stop> {
        let now_ms = self.own_time_ms(now);
        if let Some(id) = request {
            self.ready_request(id, now_ms, may_evict)?;
        }
        let hash = self.index.hash(key);
        let standing = self.find(hash, key, now_ms);
        // Making room may move the entry, so what it keeps of its extras is copied, if any.
        let mut tags = Vec::new();
        let mut extras = Extras::default();
        let (number, deadline_ms) = match standing.map(|handle| self.heap.entry(handle)) {
            Some(entry) if !entry::is_absent(entry) => {
                let number = parse(entry::value(entry)).ok_or(Refused::NotAnInteger)?;
                let standing = entry::extras(entry);
                tags.extend_from_slice(standing.tags.bytes());
                extras = standing.with_tags(Tags::of(&tags));
                (number, entry::deadline_ms(entry))
            }
            _ => (add.initial, deadline_ms(add.ttl_ms, now_ms)),
        };
        let value = number.checked_add(add.delta).ok_or(Refused::Overflow)?;
        let mut digits = [0; DIGITS_MAX];
        let draft = Draft {
            key,
            value: format(value, &mut digits),
            sequence: self.sequence + 1,
            deadline_ms,
            extras,
            body: None,
        };
        match standing {
            Some(handle) if self.heap.fits_over(handle, &draft) => self.overwrite(handle, &draft),
            _ => {
                self.room_for(&draft, now_ms, may_evict)?;
                // Making room may have moved the entry, or evicted it: then the sum
                // is stored anew, which is as if it had been evicted afterwards.
                let standing = self.index.find(&self.heap, hash, key);
                self.store(hash, &draft, standing);
            }
        }
        let seq = self.number_put(&draft, request.map(|id| (id, Some(value))), now_ms);
        self.value_came(key);
        Ok(Incremented {
            value,
            version: self.version_of(seq),
        })
    }
}

fn parse(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_canonical = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn format(number: i64, out: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut at = DIGITS_MAX;
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        out[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        out[at] = b'-';
    }
    &out[at..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_integers_are_numbers() {
        for (text, number) in [
            ("0", 0),
            ("7", 7),
            ("-7", -7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "１",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_rust_does(number: i64) {
            let mut digits = [0; DIGITS_MAX];
            let text = format(number, &mut digits);
            let expected = number.to_string();
            prop_assert_eq!(text, expected.as_bytes());
            prop_assert_eq!(parse(text), Some(number));
        }
    }
}
