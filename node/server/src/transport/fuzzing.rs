//! What reads bytes of gRPC's framing, for fuzz targets.

use std::time::Duration;

use bytes::Bytes;

use crate::transport::framing::{Broken, Unframed};
use crate::transport::ledger::Ledger;

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than a message may be.
    TooLong {
        /// As it says of itself.
        bytes: usize,
    },
    /// Compressed, which was not agreed upon.
    Compressed,
    /// Not exactly one whole message.
    NotOne,
}

/// The one message that these pieces bring.
///
/// # Errors
/// [`Refusal`] where they bring none.
pub fn gather(pieces: Vec<Bytes>, message_bytes_max: usize) -> Result<Bytes, Refusal> {
    let gathered = || {
        let ledger = Ledger::for_tests(usize::MAX);
        let mut unframed = Unframed::new(&ledger, message_bytes_max);
        for piece in pieces {
            unframed.push(&piece)?;
            unframed.check_one()?;
        }
        unframed.last(Bytes::new())
    };
    gathered().map_err(Refusal::from)
}

/// The messages of a stream that these pieces bring, and why there are no more.
#[must_use]
pub fn messages(pieces: Vec<Bytes>, message_bytes_max: usize) -> (Vec<Bytes>, Option<Refusal>) {
    let ledger = Ledger::for_tests(usize::MAX);
    let mut unframed = Unframed::new(&ledger, message_bytes_max);
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match unframed.next(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(broken) => return (messages, Some(broken.into())),
            }
        }
        if let Err(broken) = unframed.push(&piece) {
            return (messages, Some(broken.into()));
        }
    }
    (messages, None)
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Refusal {
        match broken {
            Broken::TooLong { bytes } => Refusal::TooLong { bytes },
            Broken::Compressed => Refusal::Compressed,
            Broken::NotOne | Broken::Full => Refusal::NotOne,
        }
    }
}

/// What `grpc-timeout` of this value means.
#[must_use]
pub fn timeout(value: &[u8]) -> Option<Duration> {
    super::timeout::timeout(value)
}
