//! Who waits for a sequence of one partition: to be committed, or to be acknowledged by
//! one copy. Bounded by the caller, through [`Waiters::len`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

/// What somebody waits for to reach a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Everything that is required.
    Committed,
    /// The copy of this id.
    Copy(Arc<str>),
}

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// By sequence, then by number.
    committed: BTreeMap<(u64, u64), Waker>,
    /// Few: handoffs.
    copies: Vec<(u64, Arc<str>, u64, Waker)>,
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.committed.len() + self.copies.len()
    }

    /// Who bears this number waits, with this waker from now on.
    pub(crate) fn put(&mut self, goal: &Goal, seq: u64, number: u64, waker: &Waker) {
        match goal {
            Goal::Committed => {
                self.committed.insert((seq, number), waker.clone());
            }
            Goal::Copy(copy_id) => {
                self.copies.retain(|waiting| waiting.2 != number);
                self.copies
                    .push((seq, copy_id.clone(), number, waker.clone()));
            }
        }
    }

    /// Who bears this number waits no longer.
    pub(crate) fn remove(&mut self, goal: &Goal, seq: u64, number: u64) {
        match goal {
            Goal::Committed => {
                self.committed.remove(&(seq, number));
            }
            Goal::Copy(_) => self.copies.retain(|waiting| waiting.2 != number),
        }
    }

    /// Takes who waited for this much to be committed. Wake them without a lock.
    pub(crate) fn take_committed(&mut self, seq: u64, woken: &mut Vec<Waker>) {
        while let Some(first) = self.committed.first_entry() {
            if first.key().0 > seq {
                return;
            }
            woken.push(first.remove());
        }
    }

    /// Takes who waited for this copy to have this much.
    pub(crate) fn take_acked(&mut self, copy_id: &str, seq: u64, woken: &mut Vec<Waker>) {
        if self.copies.is_empty() {
            return;
        }
        let reached =
            |waiting: &(u64, Arc<str>, u64, Waker)| waiting.0 <= seq && &*waiting.1 == copy_id;
        woken.extend(self.copies.extract_if(.., |it| reached(it)).map(|it| it.3));
    }

    /// Takes all of them.
    pub(crate) fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(std::mem::take(&mut self.committed).into_values());
        woken.extend(self.copies.drain(..).map(|waiting| waiting.3));
    }
}
