//! Why a stream or a connection ends early.

use std::fmt;

/// An error code of RFC 9113, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// Nothing went wrong.
    NoError = 0,
    /// The peer broke the protocol.
    Protocol = 1,
    /// This side failed.
    Internal = 2,
    /// More was sent than the window allowed.
    FlowControl = 3,
    /// SETTINGS were not acknowledged in time.
    SettingsTimeout = 4,
    /// A frame for a stream that was closed.
    StreamClosed = 5,
    /// A frame of a size that it cannot have.
    FrameSize = 6,
    /// Not processed at all: safe to repeat.
    Refused = 7,
    /// No longer wanted.
    Cancel = 8,
    /// The field compression state is lost.
    Compression = 9,
    /// A CONNECT tunnel broke.
    Connect = 10,
    /// The peer does too much of what costs it nothing.
    Calm = 11,
    /// TLS is too weak.
    Security = 12,
    /// HTTP/1.1 is required.
    Http11 = 13,
}

impl Code {
    /// The code of this number; an unknown one counts as [`Code::Internal`].
    #[must_use]
    pub fn from_number(number: u32) -> Code {
        use Code::{
            Calm, Cancel, Compression, Connect, FlowControl, FrameSize, Http11, Internal, NoError,
            Protocol, Refused, Security, SettingsTimeout, StreamClosed,
        };
        const ALL: [Code; 14] = [
            NoError,
            Protocol,
            Internal,
            FlowControl,
            SettingsTimeout,
            StreamClosed,
            FrameSize,
            Refused,
            Cancel,
            Compression,
            Connect,
            Calm,
            Security,
            Http11,
        ];
        ALL.get(number as usize).copied().unwrap_or(Internal)
    }
}

/// The connection cannot go on: the code that GOAWAY tells, and what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What the peer is told.
    pub code: Code,
    /// A few words for it; they travel in GOAWAY.
    pub why: &'static str,
}

impl Broken {
    pub(crate) const fn new(code: Code, why: &'static str) -> Broken {
        Broken { code, why }
    }

    pub(crate) const fn protocol(why: &'static str) -> Broken {
        Broken::new(Code::Protocol, why)
    }

    pub(crate) const fn calm(why: &'static str) -> Broken {
        Broken::new(Code::Calm, why)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.why, self.code)
    }
}

impl std::error::Error for Broken {}
