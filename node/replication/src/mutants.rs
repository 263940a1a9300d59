//! Rules that can be taken away, one at a time, to show that tests notice. Nothing of it
//! is in a build without the feature `mutants`: there [`is`] is `false`.
//!
//! A mutant is set for the calling thread alone, so that tests run side by side.

/// A rule that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "mutants"), allow(unreachable_pub))]
pub enum Mutant {
    /// One required copy is enough to commit.
    AckByAny,
    /// An acknowledgement counts for its node, whatever copy it speaks of.
    CountNodes,
    /// An acknowledgement of another epoch counts.
    NoEpochCheckOnAck,
    /// Batches and orders of an epoch that is over are obeyed.
    ObeyOldEpochs,
    /// What the middle of a snapshot brings, records of the time among it, is left out.
    SnapshotCutBroken,
    /// Reads do not wait for what is not committed.
    ReadBeforeCommit,
    /// A copy that begins anew keeps its id.
    CopyIdKept,
    /// A copy is told to begin anew although it is required.
    RequiredBeginsAnew,
    /// Both at once: a copy that is required begins anew, and nothing tells of it.
    RequiredBeginsAnewUnderItsId,
}

#[cfg(feature = "mutants")]
thread_local! {
    static CURRENT: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// From now on, on this thread, this rule does not hold. None: all of them do.
#[cfg(feature = "mutants")]
pub fn set(mutant: Option<Mutant>) {
    CURRENT.set(mutant);
}

/// Whether this rule is taken away.
#[inline]
pub(crate) fn is(mutant: Mutant) -> bool {
    #[cfg(feature = "mutants")]
    return CURRENT.get() == Some(mutant);
    #[cfg(not(feature = "mutants"))]
    {
        let _ = mutant;
        false
    }
}
