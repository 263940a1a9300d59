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

impl<M> Next<M> {
    /// With what is made of the message.
    pub(crate) fn map<N>(self, make: impl FnOnce(M) -> N) -> Next<N> {
        match self {
            Next::Send(message) => Next::Send(make(message)),
            Next::Later(at_ms) => Next::Later(at_ms),
            Next::Idle => Next::Idle,
        }
    }
}
