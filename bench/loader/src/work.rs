//! What each request carries, and what each answer must be: shared by all protocols.

use crate::arguments::{Arguments, Shape, Verb};
use crate::keys::Texts;

/// Every n-th value is compared in full.
const FULL_EVERY: u64 = 64;

/// One request in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// What it asks for.
    pub(crate) keys: Vec<u64>,
    /// When it was due, in microseconds since the run began.
    pub(crate) asked_us: u64,
}

/// The load, as a protocol needs to know it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) verb: Verb,
    pub(crate) shape: Shape,
    pub(crate) texts: Texts,
    ttl_ms: u64,
    expire_at_ms: u64,
    verified: u64,
}

impl Work {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            verb: arguments.verb,
            shape: arguments.shape,
            texts: Texts::new(arguments.key_bytes, arguments.value_bytes),
            ttl_ms: arguments.ttl_ms,
            expire_at_ms: arguments.expire_at_ms,
            verified: 0,
        }
    }

    /// The time to live of what is set now; 0: none.
    pub(crate) fn ttl_ms(&self) -> u64 {
        if self.expire_at_ms == 0 {
            return self.ttl_ms;
        }
        let now_ms = crate::clock::boottime().as_millis() as u64;
        self.expire_at_ms.saturating_sub(now_ms).max(1)
    }

    /// Whether a read was answered with the value that was set.
    pub(crate) fn verify(&mut self, key: u64, value: &[u8]) -> Result<(), String> {
        self.verified += 1;
        let is_full = self.verified.is_multiple_of(FULL_EVERY);
        if self.texts.is_value(key, value, is_full) {
            return Ok(());
        }
        let asked = self.name(key);
        let head = String::from_utf8_lossy(&value[..value.len().min(24)]).into_owned();
        Err(format!(
            "the value of {asked} is not what was set: {} bytes, {head:?}...",
            value.len()
        ))
    }

    /// The sentence of a key that should have been there.
    pub(crate) fn missed(&self, key: u64) -> String {
        format!("{} was set and is not there", self.name(key))
    }

    fn name(&self, key: u64) -> String {
        let mut text = Vec::new();
        self.texts.key(key, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Work;
    use crate::arguments::Arguments;

    #[test]
    fn a_wrong_value_is_told_apart_by_a_sentence() {
        let mut work = Work::new(&Arguments {
            value_bytes: 32,
            ..Arguments::default()
        });
        let mut value = Vec::new();
        work.texts.value(7, &mut value);
        work.verify(7, &value).unwrap();
        let sentence = work.verify(8, &value).unwrap_err();
        assert!(sentence.contains("key:000000000008") && sentence.contains("32 bytes"));
        // The padding is looked at once in a while.
        value[31] ^= 1;
        assert!((0..64).any(|_| work.verify(7, &value).is_err()));
    }
}
