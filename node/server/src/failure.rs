//! Everything that a request can fail with, drawn once.
//!
//! ```text
//! Failure
//!   the request is wrong   KeyEmpty KeyTooLong ValueTooLarge TtlNegative NotAnInteger Overflow
//!                          Malformed BadCondition BadTag BatchTooLarge
//!   not for this caller    NotKnown NotAllowed
//!   somewhere else         Moved
//!   too late               FillTokenVoid
//!   nobody can now         NoOwner LeaseExpired PartitionMoving ForwardFailed Stopping
//!   the copies are short   TooFewCopies NotReplicated
//!   a bound is reached     MemoryFull TooManyRequests
//!   out of time            DeadlineExceeded
//!   another node said so   Peer
//! ```
//!
//! A message is a sentence that says what to do, and holds no key and no value.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shoal_engine::{BadTags, TAG_BYTES_MAX, TAGS_MAX};

use crate::reasons::Reason;
use crate::topology::Owner;

/// What the caller may believe of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was changed: safe to repeat.
    NotApplied,
    /// A write may or may not have been applied.
    MaybeApplied,
}

impl Outcome {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::NotApplied => "NOT_APPLIED",
            Outcome::MaybeApplied => "MAYBE_APPLIED",
        }
    }
}

/// Why a request, or one key of it, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Failure {
    KeyEmpty,
    KeyTooLong {
        bytes: usize,
        max: usize,
    },
    ValueTooLarge {
        bytes: usize,
        max: usize,
    },
    TtlNegative {
        field: &'static str,
        ms: i64,
    },
    NotAnInteger,
    Overflow(String),
    Malformed(String),
    BadCondition(&'static str),
    BadTag(String),
    BatchTooLarge(String),
    /// What to do about it.
    NotKnown(&'static str),
    /// The operation's name.
    NotAllowed(&'static str),
    Moved(Owner),
    FillTokenVoid,
    NoOwner {
        partition: u32,
    },
    LeaseExpired(Outcome),
    PartitionMoving {
        partition: u32,
    },
    ForwardFailed {
        peer: String,
        outcome: Outcome,
    },
    /// Of a write: it stands here, and perhaps nowhere else. Of a read: what it found.
    NotReplicated {
        partition: u32,
        outcome: Outcome,
    },
    TooFewCopies {
        partition: u32,
        copies: u32,
        min: u32,
    },
    Stopping,
    MemoryFull,
    TooManyRequests {
        what: &'static str,
    },
    DeadlineExceeded(Outcome),
    Peer(Arc<PeerFailure>),
}

/// A failure as another node told it, passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFailure {
    /// A `google.rpc.Code`.
    pub code: i32,
    /// As in `ErrorInfo`; may be one that this release does not know.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// As in `ErrorInfo`.
    pub metadata: Vec<(String, String)>,
}

impl Failure {
    /// The reason, or `None` where a peer gave one that this release does not know.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        Some(match self {
            Failure::KeyEmpty => Reason::KeyEmpty,
            Failure::KeyTooLong { .. } => Reason::KeyTooLong,
            Failure::ValueTooLarge { .. } => Reason::ValueTooLarge,
            Failure::TtlNegative { .. } => Reason::TtlNegative,
            Failure::NotAnInteger => Reason::NotAnInteger,
            Failure::Overflow(_) => Reason::Overflow,
            Failure::Malformed(_) => Reason::MalformedRequest,
            Failure::BadCondition(_) => Reason::BadCondition,
            Failure::BadTag(_) => Reason::BadTag,
            Failure::BatchTooLarge(_) => Reason::BatchTooLarge,
            Failure::NotKnown(_) => Reason::Unauthenticated,
            Failure::NotAllowed(_) => Reason::PermissionDenied,
            Failure::Moved(_) => Reason::Moved,
            Failure::FillTokenVoid => Reason::FillTokenVoid,
            Failure::NoOwner { .. } => Reason::NoOwner,
            Failure::LeaseExpired(_) => Reason::LeaseExpired,
            Failure::PartitionMoving { .. } => Reason::PartitionMoving,
            Failure::ForwardFailed { .. } => Reason::ForwardFailed,
            Failure::NotReplicated { .. } => Reason::NotReplicated,
            Failure::TooFewCopies { .. } => Reason::TooFewCopies,
            Failure::Stopping => Reason::Stopping,
            Failure::MemoryFull => Reason::MemoryFull,
            Failure::TooManyRequests { .. } => Reason::TooManyRequests,
            Failure::DeadlineExceeded(_) => Reason::DeadlineExceeded,
            Failure::Peer(peer) => return Reason::named(&peer.reason),
        })
    }

    /// The reason's name on the wire.
    #[must_use]
    pub fn reason_name(&self) -> &str {
        match self {
            Failure::Peer(peer) => &peer.reason,
            own => own.reason().map_or("", Reason::as_str),
        }
    }

    /// The `google.rpc.Code`.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Failure::Peer(peer) => peer.code,
            own => own.reason().map_or(2, |reason| reason.code() as i32),
        }
    }

    /// What may have happened.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Failure::LeaseExpired(outcome)
            | Failure::ForwardFailed { outcome, .. }
            | Failure::NotReplicated { outcome, .. }
            | Failure::DeadlineExceeded(outcome) => *outcome,
            Failure::Peer(peer) => {
                let not_applied = ("outcome", Outcome::NotApplied.as_str());
                let said = peer.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                if said.into_iter().any(|pair| pair == not_applied) {
                    Outcome::NotApplied
                } else {
                    Outcome::MaybeApplied
                }
            }
            _ => Outcome::NotApplied,
        }
    }

    /// The metadata of `ErrorInfo`.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, String)> {
        let mut metadata = match self {
            Failure::Peer(peer) => peer.metadata.clone(),
            Failure::Moved(owner) => vec![
                ("owner".into(), owner.node.id.clone()),
                ("address".into(), owner.node.address.clone()),
                ("epoch".into(), owner.epoch.to_string()),
                ("partition".into(), owner.partition.to_string()),
            ],
            Failure::NoOwner { partition }
            | Failure::PartitionMoving { partition }
            | Failure::NotReplicated { partition, .. } => {
                vec![("partition".into(), partition.to_string())]
            }
            Failure::TooFewCopies {
                partition,
                copies,
                min,
            } => vec![
                ("partition".into(), partition.to_string()),
                ("copies".into(), copies.to_string()),
                ("min_in_sync".into(), min.to_string()),
            ],
            _ => Vec::new(),
        };
        if !metadata.iter().any(|(key, _)| key == "outcome") {
            metadata.push(("outcome".into(), self.outcome().as_str().into()));
        }
        metadata
    }

    /// How long to wait before trying again, where trying again may help. By the reason alone,
    /// so that a node that forwards says what the owner would.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        use crate::reasons::Code::{ResourceExhausted, Unavailable};
        let code = self.code();
        let again = code == Unavailable as i32 || code == ResourceExhausted as i32;
        again.then(|| match self.reason() {
            Some(Reason::MemoryFull | Reason::TooManyRequests | Reason::TooFewCopies) => {
                Duration::from_millis(250)
            }
            Some(Reason::LeaseExpired) => Duration::from_millis(200),
            _ => Duration::from_millis(50),
        })
    }

    /// The same failure, of a request of which another part may have been applied.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Failure {
        if self.outcome() == outcome {
            return self;
        }
        let mut metadata = self.metadata();
        metadata.retain(|(key, _)| key != "outcome");
        metadata.push(("outcome".into(), outcome.as_str().into()));
        Failure::Peer(Arc::new(PeerFailure {
            code: self.code(),
            reason: self.reason_name().to_owned(),
            message: self.to_string(),
            metadata,
        }))
    }
}

impl From<BadTags> for Failure {
    fn from(why: BadTags) -> Failure {
        Failure::BadTag(match why {
            BadTags::TooMany(count) => format!(
                "there are {count} tags and may be {TAGS_MAX}: leave out those that are never \
                 invalidated alone"
            ),
            BadTags::TooLong(bytes) => format!(
                "a tag has {bytes} bytes and may have {TAG_BYTES_MAX}: shorten it, or hash its \
                 long part"
            ),
            BadTags::Empty => "a tag is empty: give it at least one byte".into(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::KeyEmpty => f.write_str("the key is empty: give it at least one byte"),
            Failure::KeyTooLong { bytes, max } => write!(
                f,
                "the key has {bytes} bytes and may have {max}: shorten it, or hash its long part"
            ),
            Failure::ValueTooLarge { bytes, max } => write!(
                f,
                "the value has {bytes} bytes and may have {max}: compress it, split it, \
                 or start the node with a higher limit"
            ),
            Failure::TtlNegative { field, ms } => write!(
                f,
                "{field} is {ms}: give a number of milliseconds above 0, or 0 for none"
            ),
            Failure::NotAnInteger => f.write_str(
                "the value that stands is not a decimal integer of 64 bits: \
                 Set one, or Del the key first",
            ),
            Failure::Overflow(what)
            | Failure::Malformed(what)
            | Failure::BadTag(what)
            | Failure::BatchTooLarge(what) => f.write_str(what),
            Failure::BadCondition(what) | Failure::NotKnown(what) => f.write_str(what),
            Failure::NotAllowed(operation) => write!(
                f,
                "no role of this caller allows it to {operation} that: ask whoever keeps the access \
                 file for a role that does"
            ),
            Failure::Moved(owner) => write!(
                f,
                "partition {} is owned by {} at {} since epoch {}: ask there",
                owner.partition, owner.node.id, owner.node.address, owner.epoch
            ),
            Failure::NoOwner { partition } => write!(
                f,
                "nobody serves partition {partition} now: try again in a moment"
            ),
            Failure::LeaseExpired(Outcome::NotApplied) => {
                f.write_str("this node's lease has run out, so another may own the key: try again")
            }
            Failure::LeaseExpired(Outcome::MaybeApplied) => f.write_str(
                "this node's lease ran out while it applied the write: \
                 read the key before trying again",
            ),
            Failure::PartitionMoving { partition } => write!(
                f,
                "partition {partition} is moving to another node: try again in a moment"
            ),
            Failure::ForwardFailed {
                peer,
                outcome: Outcome::NotApplied,
            } => write!(
                f,
                "the owner {peer} did not answer, and nothing was changed: try again"
            ),
            Failure::ForwardFailed {
                peer,
                outcome: Outcome::MaybeApplied,
            } => write!(
                f,
                "the owner {peer} took the write and did not answer: \
                 read the key before trying again"
            ),
            Failure::NotReplicated {
                partition,
                outcome: Outcome::MaybeApplied,
            } => write!(
                f,
                "the write stands on the primary of partition {partition}, and not every copy \
                 in sync has confirmed it: read the key before trying again"
            ),
            Failure::NotReplicated {
                partition,
                outcome: Outcome::NotApplied,
            } => write!(
                f,
                "the newest write of the key in partition {partition} is not confirmed by every \
                 copy in sync yet: try again in a moment"
            ),
            Failure::TooFewCopies {
                partition,
                copies,
                min,
            } => write!(
                f,
                "partition {partition} has {copies} copies in sync and a write that waits for \
                 them needs {min}: try again later, ask for PRIMARY, or lower min_in_sync"
            ),
            Failure::FillTokenVoid => f.write_str(
                "the fill token is void, because the key was written or a tag of it invalidated \
                 since it was given, or its time is over: read the key again, what was loaded \
                 may be old",
            ),
            Failure::Stopping => f.write_str("this node is stopping: ask another"),
            Failure::MemoryFull => f.write_str(
                "the node's memory is full and nothing may be evicted: \
                 delete keys, or raise maxmemory",
            ),
            Failure::TooManyRequests { what } => write!(
                f,
                "this node already holds as many {what} as it may: try again later"
            ),
            Failure::DeadlineExceeded(Outcome::NotApplied) => {
                f.write_str("the deadline passed before the request was applied: allow more time")
            }
            Failure::DeadlineExceeded(Outcome::MaybeApplied) => f.write_str(
                "the deadline passed while the write was under way: \
                 read the key before trying again",
            ),
            Failure::Peer(peer) => f.write_str(&peer.message),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::{Failure, Outcome};
    use std::time::Duration;

    #[test]
    fn what_is_passed_on_asks_for_the_same_pause() {
        for (failure, pause_ms) in [
            (Failure::MemoryFull, 250),
            (Failure::TooManyRequests { what: "loads" }, 250),
            (Failure::NoOwner { partition: 1 }, 50),
        ] {
            let told = Some(Duration::from_millis(pause_ms));
            assert_eq!(failure.retry_after(), told, "{failure:?}");
            let passed_on = failure.with_outcome(Outcome::MaybeApplied);
            assert!(matches!(passed_on, Failure::Peer(_)), "{passed_on:?}");
            assert_eq!(passed_on.retry_after(), told, "{passed_on:?}");
        }
    }

    #[test]
    fn what_trying_again_does_not_help_asks_for_none() {
        assert_eq!(Failure::KeyEmpty.retry_after(), None);
    }
}
