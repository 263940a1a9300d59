//! The operations of a partition, one a file. Each runs under the partition's lock,
//! either applies whole and takes the next sequence, or changes nothing that a
//! caller could see but what eviction and expiry take.

mod delete;
mod get;
mod incr;
mod set;
mod touch;

pub(crate) use set::draft;

use crate::refused::Refused;
use crate::room::Short;

/// Why an operation did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Refused(Refused),
    /// It wants this much more memory.
    Short {
        why: Short,
        bytes: usize,
    },
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(refused)
    }
}
