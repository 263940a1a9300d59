//! What a caller asks for, and what it is told.

use super::token::FillToken;

/// What is asked of a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillAsk {
    /// How long the token is good, if it is given. At least 1.
    pub lease_ms: u64,
    /// Whether to wait where another loads.
    pub waits: bool,
    /// A value that is past its fresh time counts as none, where another loads it or the
    /// caller may.
    pub fresh_only: bool,
    /// No token is given where there is no value, and nobody waits for one.
    pub refresh_only: bool,
    /// How much earlier than its fresh time ends a value is due to be refreshed: see
    /// [`crate::early_permille`].
    pub early_permille: u64,
    /// By whom the token is held, so that it can be taken from all that one had.
    pub holder: u64,
    /// Of the token: what nobody outside can guess, another one each time.
    pub secret: u64,
    /// Past which nothing is given.
    pub bounds: FillBounds,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillBounds {
    /// Leases of one partition.
    pub partition_leases_max: usize,
    /// Leases of all partitions.
    pub leases_max: usize,
    /// Callers that wait, over all partitions.
    pub waiters_max: usize,
}

/// What a read that asks for a fill has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled<R> {
    /// There is a value.
    Found(R),
    /// There is a value, and the caller shall load the next one.
    Refresh(R, FillToken),
    /// There is none, and the caller shall load it.
    Given(FillToken),
    /// There is none, and another loads it, or nobody was to be told to.
    Held,
    /// As `Held`, and the caller waits, under this number: see
    /// [`crate::Engine::fill_turn`].
    Waits(u64),
    /// There is none, and no more may load or wait.
    Full(Full),
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Keys that are being loaded.
    Leases,
    /// Callers that wait.
    Waiters,
}

/// How it goes with a caller that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It still does.
    Waits,
    /// It shall load.
    Given(FillToken),
    /// There is a value, or was; or another node knows: read again.
    Over,
}
