//! Who may do what: the table that the agent gives, and what it says of a caller.
//!
//! ```text
//! table    roles, and who has them
//! rights   what one caller may do, all of its roles together
//! asker    one caller: what it has shown, and its rights by the newest table
//! caller   what the connection itself tells of it
//! ```
//!
//! Without a table everybody may do everything, and nothing is looked at. With one, whoever
//! shows nothing that it knows may ask for health alone. A token is known by its SHA-256: the
//! table holds no token.
//!
//! Invariant: a request is judged by the table that stands when its message is looked at, so
//! that a change holds for streams that are open.
//!
//! Non-goals: reading the file and saying what is wrong with it (the agent does), and
//! connections (a transport tells who is there).

mod asker;
mod caller;
mod rights;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

pub(crate) use asker::Asker;
pub(crate) use caller::Caller;
#[cfg(test)]
pub(crate) use rights::Rights;
pub(crate) use rights::{May, Right};
pub(crate) use table::is_same;
pub use table::{AccessTable, BadAccess, Digest};

/// The table that stands, if any.
pub(crate) struct Access {
    table: ArcSwapOption<AccessTable>,
    /// Of the table; 0: there is none. Rises with every change.
    number: AtomicU64,
    changes: watch::Sender<u64>,
}

impl Access {
    pub(crate) fn new() -> Access {
        Access {
            table: ArcSwapOption::empty(),
            number: AtomicU64::new(0),
            changes: watch::Sender::new(0),
        }
    }

    /// From now on this one holds. There is a table ever after.
    pub(crate) fn set(&self, table: AccessTable) {
        self.changes.send_modify(|number| {
            *number += 1;
            self.table.store(Some(Arc::new(table)));
            self.number.store(*number, Ordering::Release);
        });
    }

    /// Whether there is a table.
    pub(crate) fn is_set(&self) -> bool {
        self.number.load(Ordering::Acquire) > 0
    }

    /// What is asked of the table, by who has shown this.
    pub(crate) fn asker(
        &self,
        authorization: Option<&[u8]>,
        caller: &Caller,
    ) -> Option<Arc<Asker>> {
        let (number, table) = self.newest()?;
        Some(Arc::new(Asker::new(authorization, caller, number, &table)))
    }

    /// Whether there is no newer table than the asker knows.
    pub(crate) fn is_current(&self, asker: Option<&Asker>) -> bool {
        asker.map_or(0, Asker::number) == self.number.load(Ordering::Acquire)
    }

    /// The same caller, judged by the table that stands.
    pub(crate) fn renewed(&self, asker: Option<Arc<Asker>>) -> Option<Arc<Asker>> {
        if self.is_current(asker.as_deref()) {
            return asker;
        }
        let (number, table) = self.newest()?;
        Some(Arc::new(match asker {
            Some(asker) => asker.again(number, &table),
            // It came when nothing was asked of anybody.
            None => Asker::new(None, &Caller::default(), number, &table),
        }))
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A number that is at most the table's: whoever takes it for newer looks again.
    fn newest(&self) -> Option<(u64, Arc<AccessTable>)> {
        let number = self.number.load(Ordering::Acquire);
        let table = self.table.load_full()?;
        Some((number, table))
    }
}
