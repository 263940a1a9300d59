//! A long value, laid out before its partition is locked.
//!
//! Whoever waits for the partition would wait for the copy of a value that is a MiB long,
//! and several times as long for the pages that the system has to find for it. So an entry
//! that is this long and will have an allocation of its own gets it first, with key and
//! value in their places; what only the partition knows is written under its lock.
//!
//! It is a hint and nothing else: whether the entry is stored, and where, is decided under
//! the lock, and what was laid out for nothing is dropped. Until the ledger is charged for
//! it, it is its writer's, one for each thread that writes.

use std::cell::RefCell;

use crate::engine::Engine;
use crate::entry::Draft;
use crate::extras::load_time::LoadTime;
use crate::operations::draft;
use crate::replication::Role;
use crate::request::Write;

/// Shorter values are copied in less time than it takes to look whether that is needed.
pub(crate) const LONG_FROM_BYTES: usize = 64 << 10;

/// Taken by the first that wants it.
#[derive(Debug)]
pub(crate) struct Body(RefCell<Option<Vec<u8>>>);

impl Body {
    /// Of an entry of just this size.
    pub(crate) fn of(draft: &Draft<'_>) -> Body {
        let mut bytes = Vec::with_capacity(draft.bytes());
        draft.lay(&mut bytes);
        Body(RefCell::new(Some(bytes)))
    }

    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.0.take()
    }
}

impl Engine {
    /// The body of what is to be written, if that is long and will want one as things are.
    pub(crate) fn body(&self, partition: u32, key: &[u8], write: &Write<'_>) -> Option<Body> {
        if write.value.len() < LONG_FROM_BYTES || write.absent {
            return None;
        }
        // All that its size depends on is in the request.
        let mut draft = draft(key, write, 0, 0, LoadTime::default());
        let state = self.place(partition).state.lock();
        let open = state.open.as_ref()?;
        draft.sequence = open.sequence + 1;
        let is_wanted = open.role == Role::Primary && open.wants_body(&draft, write.condition);
        drop(state);
        is_wanted.then(|| Body::of(&draft))
    }
}
