//! Every reason that a failure can have, and its code. docs/reasons.md lists the same.
//!
//! A reason is what clients act on: it never changes its name or its code.

/// A `google.rpc.Code`, as far as Shoal answers with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The request itself is wrong: repeating it does not help.
    InvalidArgument = 3,
    /// The caller's time ran out.
    DeadlineExceeded = 4,
    /// The caller is known, and may not do that.
    PermissionDenied = 7,
    /// A bound was reached: try again later.
    ResourceExhausted = 8,
    /// The caller must do something else first.
    FailedPrecondition = 9,
    /// This release does not do that.
    Unimplemented = 12,
    /// Nobody can answer now: try again soon.
    Unavailable = 14,
    /// The caller is nobody that is known.
    Unauthenticated = 16,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $code:ident,)*) => {
        /// Why a request failed: `reason` of `google.rpc.ErrorInfo`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of `docs/reasons.md`.
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            /// The reason's name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// The gRPC status code that always goes with it.
            #[must_use]
            pub const fn code(self) -> Code {
                match self { $(Reason::$name => Code::$code,)* }
            }
        }
    };
}

reasons! {
    /// A key must hold at least one byte.
    KeyEmpty = "KEY_EMPTY" => InvalidArgument,
    /// A key is longer than the node takes.
    KeyTooLong = "KEY_TOO_LONG" => InvalidArgument,
    /// A value is larger than the node takes.
    ValueTooLarge = "VALUE_TOO_LARGE" => InvalidArgument,
    /// A time to live is below zero.
    TtlNegative = "TTL_NEGATIVE" => InvalidArgument,
    /// Incr met a value that is not a decimal integer.
    NotAnInteger = "NOT_AN_INTEGER" => InvalidArgument,
    /// A number leaves its range.
    Overflow = "OVERFLOW" => InvalidArgument,
    /// The request is not what the proto file describes.
    MalformedRequest = "MALFORMED_REQUEST" => InvalidArgument,
    /// The condition, or a field beside it, contradicts itself.
    BadCondition = "BAD_CONDITION" => InvalidArgument,
    /// A tag is empty or too long, or an entry has too many of them.
    BadTag = "BAD_TAG" => InvalidArgument,
    /// More keys, or bytes, than one request may ask for.
    BatchTooLarge = "BATCH_TOO_LARGE" => InvalidArgument,
    /// The caller shows no token and no certificate that the access file has.
    Unauthenticated = "UNAUTHENTICATED" => Unauthenticated,
    /// No role of the caller allows the operation, for this key.
    PermissionDenied = "PERMISSION_DENIED" => PermissionDenied,
    /// Another node owns the partition; the metadata says which.
    Moved = "MOVED" => FailedPrecondition,
    /// The key was written since the fill token was given, or the token's time is over.
    FillTokenVoid = "FILL_TOKEN_VOID" => FailedPrecondition,
    /// The field or method is in the contract, and this release does not serve it. This one
    /// serves all.
    NotServed = "NOT_SERVED" => Unimplemented,
    /// Nobody serves the partition now.
    NoOwner = "NO_OWNER" => Unavailable,
    /// This node's lease has run out; it refuses to act as primary.
    LeaseExpired = "LEASE_EXPIRED" => Unavailable,
    /// The partition is being handed to another node, and that took too long.
    PartitionMoving = "PARTITION_MOVING" => Unavailable,
    /// The owner did not answer this node.
    ForwardFailed = "FORWARD_FAILED" => Unavailable,
    /// Not every copy in sync confirmed the write, or the one that a read found, in time.
    NotReplicated = "NOT_REPLICATED" => Unavailable,
    /// Fewer copies are in sync than such a write needs.
    TooFewCopies = "TOO_FEW_COPIES" => Unavailable,
    /// This node is stopping.
    Stopping = "STOPPING" => Unavailable,
    /// No memory left, and nothing that may be evicted.
    MemoryFull = "MEMORY_FULL" => ResourceExhausted,
    /// One of this node's bounds is reached.
    TooManyRequests = "TOO_MANY_REQUESTS" => ResourceExhausted,
    /// The caller's deadline passed before there was an answer.
    DeadlineExceeded = "DEADLINE_EXCEEDED" => DeadlineExceeded,
}

impl Reason {
    /// The reason of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Reason> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::HashSet;

    #[test]
    fn every_reason_is_listed_once_under_its_own_name() {
        let names: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.as_str()), Some(*reason));
            assert_eq!(
                Reason::ALL[*reason as usize],
                *reason,
                "the list is in order"
            );
            assert!(
                reason
                    .as_str()
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b == b'_'),
                "{reason:?} is spelled as ErrorInfo wants it"
            );
        }
    }
}
