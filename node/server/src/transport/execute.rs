//! `Execute` on a connection: messages are answered in the order in which they came,
//! as they come.
//!
//! While an answer is awaited, or the answers before it were not sent, or too much of
//! other streams' answers, messages are kept, and the stream's window is not opened again: so a peer that sends more than it
//! reads is held back.

use std::time::Duration;

use bytes::{Buf, Bytes};
use tonic::Status;

use crate::access::{Asker, May};
use crate::failure::Failure;
use crate::service::{Method, Unanswered};
use crate::transport::call::Call;
use crate::transport::framing::Broken;
use crate::transport::ledger::Held;
use crate::transport::session::{Session, full};
use crate::transport::status::{status, uncompressed_only};

/// What the next step of a stream is.
enum Step {
    /// Answer this message.
    Answer(Bytes, Option<Duration>),
    /// Wait for more, or for an answer, or until what is there was sent.
    Wait,
    /// Everything is answered.
    End,
    Break(Broken),
}

impl Session {
    pub(super) fn begin_execute(&mut self, stream: u32, timeout: Option<Duration>, is_end: bool) {
        if self.is_stopping {
            return self.fail(stream, status(&Failure::Stopping));
        }
        let open = self.http2.open_streams();
        if self.executing.len() > 2 * open + 16 {
            let http2 = &mut self.http2;
            self.executing.retain(|other| http2.state(*other).is_some());
        }
        self.executing.push(stream);
        let execute = self.new_execute(timeout, is_end);
        self.set(stream, Call::Execute(Box::new(execute)));
        if is_end {
            self.execute(stream, Bytes::new(), true);
        }
    }

    /// Take a piece, which may be empty, and go on as far as it is possible.
    pub(super) fn execute(&mut self, stream: u32, mut piece: Bytes, is_end: bool) {
        if let Some(Call::Execute(execute)) = self.http2.state(stream) {
            execute.owed_bytes += piece.len();
            execute.is_ended |= is_end;
        }
        loop {
            match self.step(stream, &mut piece) {
                Step::Answer(message, timeout) => self.execute_one(stream, message, timeout),
                Step::Wait => return,
                Step::End => return self.send_success(stream),
                Step::Break(broken) => return self.break_execute(stream, broken),
            }
        }
    }

    fn step(&mut self, stream: u32, piece: &mut Bytes) -> Step {
        let may_send = self.http2.stream_waiting_bytes(stream) == 0;
        let is_behind = may_send && self.is_behind();
        let Some(Call::Execute(execute)) = self.http2.state(stream) else {
            return Step::Wait;
        };
        if is_behind && !execute.is_waiting {
            execute.is_waiting = true;
            self.waiting.push_back(stream);
        }
        if execute.awaited.is_some() || !may_send || is_behind {
            let kept = execute.unframed.push(piece);
            piece.clear();
            return kept.map_or_else(Step::Break, |()| Step::Wait);
        }
        match execute.unframed.next(piece) {
            Ok(Some(message)) => Step::Answer(message, execute.timeout),
            Err(broken) => Step::Break(broken),
            Ok(None) if execute.is_ended && execute.unframed.is_empty() && piece.is_empty() => {
                Step::End
            }
            Ok(None) if execute.is_ended => Step::Break(Broken::NotOne),
            Ok(None) => {
                if let Err(broken) = execute.unframed.push(piece) {
                    return Step::Break(broken);
                }
                piece.advance(piece.len());
                // What was kept is the beginning of one message: let it come.
                let owed_bytes = std::mem::take(&mut execute.owed_bytes);
                self.http2.release(stream, owed_bytes);
                Step::Wait
            }
        }
    }

    fn execute_one(&mut self, stream: u32, message: Bytes, timeout: Option<Duration>) {
        let bytes = message.len();
        let Some(Call::Execute(execute)) = self.http2.state(stream) else {
            return;
        };
        // By the table that stands now, however long the stream has been open.
        execute.asker = self.node.access.renewed(execute.asker.take());
        let asker = execute.asker.clone();
        let may = match asker.as_deref().map_or(Ok(May::ALL), Asker::may) {
            Ok(may) => may,
            Err(failure) => return self.forbid(stream, Method::Execute, failure),
        };
        let written = self.send_message(stream, |cache, out| {
            cache.execute_for(may, message, timeout, out)
        });
        match written {
            Ok(()) => self.drop_if_over(stream),
            Err(Unanswered::Failed(failure)) => self.fail(stream, status(&failure)),
            Err(Unanswered::Later(later)) => {
                let held = Held::of(&self.ledger, bytes);
                let awaited = self.pending.executed(stream, later).holding(held);
                if let Some(Call::Execute(execute)) = self.http2.state(stream) {
                    execute.awaited = Some(awaited);
                }
            }
        }
    }

    /// The answer that was awaited has come.
    pub(super) fn executed(&mut self, stream: u32, outcome: Result<Bytes, Failure>) {
        let Some(Call::Execute(execute)) = self.http2.state(stream) else {
            return;
        };
        execute.awaited = None;
        match outcome {
            Ok(message) => {
                let written = self.send_message(stream, |_, out| {
                    out.extend_from_slice(&message);
                    Ok::<(), std::convert::Infallible>(())
                });
                let Ok(()) = written;
                self.drop_if_over(stream);
            }
            Err(failure) => return self.fail(stream, status(&failure)),
        }
        if self.is_stopping {
            return self.fail(stream, status(&Failure::Stopping));
        }
        self.execute(stream, Bytes::new(), false);
    }

    /// The node stops: no more messages are taken.
    pub(super) fn stop_executing(&mut self) {
        for stream in std::mem::take(&mut self.executing) {
            if let Some(Call::Execute(execute)) = self.http2.state(stream)
                && execute.awaited.is_none()
            {
                self.fail(stream, status(&Failure::Stopping));
            }
        }
    }

    fn break_execute(&mut self, stream: u32, broken: Broken) {
        let max = self.message_bytes_max;
        let status = match broken {
            Broken::Compressed => uncompressed_only(),
            Broken::NotOne => Status::internal("the stream ends within a message"),
            Broken::TooLong { bytes } => Status::out_of_range(format!(
                "a message has {bytes} bytes and may have {max}: send it in parts"
            )),
            Broken::Full => status(&full()),
        };
        self.fail(stream, status);
    }
}
