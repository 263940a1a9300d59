//! Everything that was ever written, and what of it must not be lost.

use std::collections::BTreeMap;

/// Place of a write: its epoch, then its sequence.
pub(crate) type At = (u64, u64);

/// A value, or None for a delete.
pub(crate) type Value = Option<Vec<u8>>;

/// The writes of one partition, by key.
#[derive(Debug, Default)]
pub(crate) struct History {
    written: BTreeMap<String, BTreeMap<At, Value>>,
    committed: BTreeMap<String, At>,
}

impl History {
    pub(crate) fn wrote(&mut self, key: &str, at: At, value: Value) {
        self.written
            .entry(key.into())
            .or_default()
            .insert(at, value);
    }

    /// It was acknowledged IN_SYNC, or shown to a reader.
    pub(crate) fn commit(&mut self, key: &str, at: At) {
        let committed = self.committed.entry(key.into()).or_default();
        *committed = at.max(*committed);
    }

    /// Every copy is gone, and with it all that was committed.
    pub(crate) fn forget(&mut self) {
        self.committed.clear();
    }

    /// Whether a copy that has this for the key may have it: something written, and
    /// nothing older than the last that was committed.
    pub(crate) fn check(&self, key: &str, found: Option<&(Vec<u8>, At)>) -> Result<(), String> {
        let Some(&committed) = self.committed.get(key) else {
            return Ok(());
        };
        let writes = &self.written[key];
        let is_right = match found {
            Some((value, at)) => {
                *at >= committed && writes.get(at).is_some_and(|it| it.as_ref() == Some(value))
            }
            None => writes.range(committed..).any(|(_, value)| value.is_none()),
        };
        if is_right {
            return Ok(());
        }
        let is_delete = writes.get(&committed).is_some_and(Option::is_none);
        Err(format!(
            "{key} is {found:?}, but {} was committed at {committed:?}",
            if is_delete { "a delete" } else { "a value" }
        ))
    }
}
