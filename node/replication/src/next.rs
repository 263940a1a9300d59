//! What an end of a stream wants next.

/// An answer to "what now?".
#[derive(Clone, Debug, PartialEq)]
pub enum Next<M> {
    /// Send this, and ask again.
    Send(M),
    /// Nothing now. Ask again at this time (milliseconds, as [`shoal_engine::Now`]), or
    /// earlier when woken or when a message came.
    Later(u64),
    /// Nothing until woken, or until a message comes.
    Idle,
}
