//! What is counted: operations, each on one key, and what became of them.
//!
//! An operation is counted where it was evaluated, alone or within a batch, once. One
//! that was refused before (its key was too long) or went to another node is none here.

/// What was done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
    Del,
    Incr,
    Touch,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read, and there.
    Hit,
    /// Read, and not there.
    Miss,
    /// Read, and known to be absent.
    Absent,
    /// Read past the fence, or past its fresh time.
    Stale,
    /// Written.
    Applied,
    /// Not written: a condition did not hold, or there was nothing to remove or touch.
    NotApplied,
    /// Refused, or its outcome is unknown; `failures` has the reason.
    Failed,
}

impl Operation {
    pub(crate) const ALL: [Operation; 5] = [
        Operation::Get,
        Operation::Set,
        Operation::Del,
        Operation::Incr,
        Operation::Touch,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Set => "set",
            Operation::Del => "del",
            Operation::Incr => "incr",
            Operation::Touch => "touch",
        }
    }
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 7] = [
        Outcome::Hit,
        Outcome::Miss,
        Outcome::Absent,
        Outcome::Stale,
        Outcome::Applied,
        Outcome::NotApplied,
        Outcome::Failed,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Outcome::Hit => "hit",
            Outcome::Miss => "miss",
            Outcome::Absent => "absent",
            Outcome::Stale => "stale",
            Outcome::Applied => "applied",
            Outcome::NotApplied => "not_applied",
            Outcome::Failed => "failed",
        }
    }

    /// Whether an operation can come to this.
    pub(crate) const fn is_of(self, operation: Operation) -> bool {
        match self {
            Outcome::Hit | Outcome::Miss | Outcome::Absent | Outcome::Stale => {
                matches!(operation, Operation::Get)
            }
            Outcome::Applied => !matches!(operation, Operation::Get),
            Outcome::NotApplied => !matches!(operation, Operation::Get | Operation::Incr),
            Outcome::Failed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Outcome};

    #[test]
    fn the_lists_are_in_order() {
        for (at, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, at);
        }
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
    }
}
