//! What a connection keeps with each of its streams. It is dropped when the stream
//! ends, and what was waited for on its behalf with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access::Asker;
use crate::service::{Method, Responses};
use crate::transport::framing::Unframed;
use crate::transport::guest::{Duty, Feed};
use crate::transport::ledger::Held;
use crate::transport::pending::Awaited;

/// One call.
#[derive(Default)]
pub(super) enum Call {
    /// Its head has not been looked at, or it is answered already.
    #[default]
    Idle,
    /// A method that takes one message: it is still coming.
    Asking(Box<Asking>),
    /// The message is there, and the answers before it wait for the peer's windows.
    Waiting(Box<Asked>),
    /// The answer was not there at once, or is a watch.
    Answering { _awaited: Awaited },
    /// A watch has a message and waits until the one before it was sent.
    Watching(Responses),
    /// `Execute`.
    Execute(Box<Execute>),
    /// A call of the standard services.
    Guest(Box<Guest>),
}

/// See [`Call::Asking`].
pub(super) struct Asking {
    /// Who asks, where that matters.
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) method: Method,
    pub(super) timeout: Option<Duration>,
    pub(super) message: Unframed,
}

/// See [`Call::Waiting`].
pub(super) struct Asked {
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) method: Method,
    pub(super) timeout: Option<Duration>,
    pub(super) message: Bytes,
    pub(super) _held: Held,
}

/// An `Execute`: one message is answered after the other.
pub(super) struct Execute {
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) timeout: Option<Duration>,
    pub(super) unframed: Unframed,
    /// The peer sends no more.
    pub(super) is_ended: bool,
    /// The answer that is awaited; nothing else is done meanwhile.
    pub(super) awaited: Option<Awaited>,
    /// It stands among those that wait for their turn.
    pub(super) is_waiting: bool,
    /// Bytes that were received and not given back to the stream's window.
    pub(super) owed_bytes: usize,
}

/// See [`Call::Guest`].
pub(super) struct Guest {
    /// Who asks, where that matters, and what for.
    pub(super) asker: Option<(Arc<Asker>, Duty)>,
    pub(super) feed: Feed,
    /// The response's head, or the next piece of its body.
    pub(super) awaited: Option<Awaited>,
    /// The body, while a piece of it waits for the peer's windows.
    pub(super) body: Option<tonic::body::Body>,
}
