//! What a session lets wait, and for how long: calls whose turn has not come because
//! the answers before them were not sent, and bodies that come piece by piece.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shoal_http2::Code;

use crate::access::Asker;
use crate::failure::{Failure, Outcome};
use crate::service::Method;
use crate::transport::call::{Asked, Call};
use crate::transport::framing::Broken;
use crate::transport::ledger::Held;
use crate::transport::session::Session;
use crate::transport::status::status;

impl Session {
    /// Whether answers wait, and are too many to make more.
    pub(super) fn is_behind(&self) -> bool {
        let waiting_bytes = self.http2.waiting_bytes();
        waiting_bytes > 0 && self.ledger.is_behind(waiting_bytes)
    }

    /// Drop an answer that waits, where it is too much for the node.
    pub(super) fn drop_if_over(&mut self, stream: u32) {
        let waiting_bytes = self.http2.waiting_bytes();
        if waiting_bytes > 0 && self.ledger.is_over(waiting_bytes) {
            self.http2.reset(stream, Code::Calm);
        }
    }

    /// A request came whole: answer it, or let it wait for its turn.
    pub(super) fn asked(
        &mut self,
        stream: u32,
        asker: Option<Arc<Asker>>,
        method: Method,
        timeout: Option<Duration>,
        message: Bytes,
    ) {
        if !self.is_behind() {
            return self.answer(stream, asker, method, timeout, message);
        }
        let mut held = Held::new(&self.ledger);
        if held.grow(message.len()).is_err() {
            return self.refuse(stream, method, Broken::Full);
        }
        self.waiting.push_back(stream);
        let message = Bytes::copy_from_slice(&message);
        self.set(
            stream,
            Call::Waiting(Box::new(Asked {
                asker,
                method,
                timeout,
                message,
                _held: held,
            })),
        );
    }

    /// Go on with those whose turn has come.
    pub(super) fn give_turns(&mut self) {
        while !self.waiting.is_empty() && !self.is_behind() {
            let Some(stream) = self.waiting.pop_front() else {
                break;
            };
            match self.http2.state(stream) {
                Some(state @ Call::Waiting(_)) => {
                    if let Call::Waiting(asked) = std::mem::take(state) {
                        let Asked {
                            asker,
                            method,
                            timeout,
                            message,
                            ..
                        } = *asked;
                        self.answer(stream, asker, method, timeout, message);
                    }
                }
                Some(Call::Execute(execute)) => {
                    execute.is_waiting = false;
                    self.execute(stream, Bytes::new(), false);
                }
                _ => {}
            }
        }
    }

    /// A body comes, of which there will be more.
    pub(super) fn body_begins(&mut self, stream: u32) {
        if self.coming.len() > 2 * self.http2.open_streams() + 16 {
            let http2 = &mut self.http2;
            self.coming
                .retain(|(stream, _)| matches!(http2.state(*stream), Some(Call::Asking(_))));
        }
        self.coming.push_back((stream, self.now_ms));
    }

    /// End calls whose message has been coming for too long.
    pub(super) fn end_late_bodies(&mut self) {
        let patience_ms = self.node.limits.body_timeout.as_millis() as u64;
        while let Some((stream, since_ms)) = self.coming.front() {
            let (stream, is_late) = (
                *stream,
                self.now_ms.saturating_sub(*since_ms) >= patience_ms,
            );
            let is_coming = matches!(self.http2.state(stream), Some(Call::Asking(_)));
            if is_coming && !is_late {
                return;
            }
            self.coming.pop_front();
            if is_coming {
                let late = Failure::DeadlineExceeded(Outcome::NotApplied);
                self.node.counters.failure(&late);
                self.fail(stream, status(&late));
            }
        }
    }
}
