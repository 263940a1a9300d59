//! Looking after a connection: when it is closed because it is silent, asked to go
//! because it is idle, asked whether it is there, or given up because it takes nothing.
//!
//! A decision of counters and the time; nothing here is counted while requests run.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::Limits;

/// What has happened on the connection up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests that began.
    pub(super) requests: u64,
    /// Reads that brought bytes.
    pub(super) reads: u64,
    /// Bytes that were written; those of bodies alone, while any waits.
    pub(super) progress_bytes: u64,
    /// Something waits to be written, or for the peer's windows.
    pub(super) is_stuck: bool,
    /// A PING has no answer.
    pub(super) is_ping_unanswered: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    Nothing,
    /// Ask whether the peer is there.
    Ping,
    /// It was asked to go before, and may begin no more streams now.
    Insist,
    /// Ask it to go.
    Leave,
    /// Close it now.
    Close,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Vigil {
    began: Instant,
    seen: Seen,
    request_at: Instant,
    read_at: Instant,
    sent_at: Instant,
    pinged_at: Option<Instant>,
    asked_to_leave_at: Option<Instant>,
}

impl Vigil {
    pub(super) fn new(now: Instant) -> Vigil {
        Vigil {
            began: now,
            seen: Seen::default(),
            request_at: now,
            read_at: now,
            sent_at: now,
            pinged_at: None,
            asked_to_leave_at: None,
        }
    }

    /// The peer was asked to go, for another reason.
    pub(super) fn is_leaving(&mut self, now: Instant) {
        self.asked_to_leave_at.get_or_insert(now);
    }

    /// What to do now, and when to ask again.
    pub(super) fn look(&mut self, now: Instant, seen: Seen, limits: &Limits) -> (Care, Instant) {
        self.note(now, seen);
        let care = self.care(now, limits);
        match care {
            Care::Ping => self.pinged_at = Some(now),
            Care::Leave | Care::Insist => self.asked_to_leave_at = Some(now),
            Care::Nothing | Care::Close => {}
        }
        (care, self.next(now, limits))
    }

    fn note(&mut self, now: Instant, seen: Seen) {
        if seen.requests != self.seen.requests {
            self.request_at = now;
        }
        if seen.reads != self.seen.reads {
            self.read_at = now;
        }
        if seen.progress_bytes != self.seen.progress_bytes || !seen.is_stuck {
            self.sent_at = now;
        }
        if !seen.is_ping_unanswered {
            self.pinged_at = None;
        }
        self.seen = seen;
    }

    fn care(&self, now: Instant, limits: &Limits) -> Care {
        let is_over = |since: Instant, time: Duration| now.duration_since(since) >= time;
        let is_silent = self.seen.requests == 0;
        if is_silent && is_over(self.began, limits.handshake_timeout)
            || self
                .pinged_at
                .is_some_and(|at| is_over(at, limits.keepalive_timeout))
            || is_over(self.sent_at, limits.stall_timeout)
        {
            return Care::Close;
        }
        match self.asked_to_leave_at {
            Some(at) if is_over(at, limits.keepalive_timeout) => return Care::Insist,
            None if !is_silent && is_over(self.request_at, limits.idle_timeout) => {
                return Care::Leave;
            }
            _ => {}
        }
        if self.pinged_at.is_none() && is_over(self.read_at, limits.keepalive_interval) {
            return Care::Ping;
        }
        Care::Nothing
    }

    fn next(&self, now: Instant, limits: &Limits) -> Instant {
        let mut next = now + limits.keepalive_interval.min(limits.stall_timeout);
        let mut at = |since: Instant, time: Duration| next = next.min(since + time);
        if self.seen.requests == 0 {
            at(self.began, limits.handshake_timeout);
        } else if self.asked_to_leave_at.is_none() {
            at(self.request_at, limits.idle_timeout);
        }
        if self.seen.is_stuck {
            at(self.sent_at, limits.stall_timeout);
        }
        match self.pinged_at {
            Some(pinged) => at(pinged, limits.keepalive_timeout),
            None => at(self.read_at, limits.keepalive_interval),
        }
        if let Some(asked) = self.asked_to_leave_at {
            at(asked, limits.keepalive_timeout);
        }
        // However the times are set, it is not asked without a pause.
        next.max(now + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::{Care, Seen, Vigil};
    use crate::settings::Limits;
    use std::time::Duration;
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            handshake_timeout: 2 * SECOND,
            idle_timeout: 60 * SECOND,
            keepalive_interval: 10 * SECOND,
            keepalive_timeout: 5 * SECOND,
            stall_timeout: 30 * SECOND,
            ..Limits::default()
        }
    }

    /// Look at each time, on a connection of which this is seen.
    fn story(seconds: &[u64], seen: impl Fn(u64) -> Seen) -> Vec<Care> {
        let began = Instant::now();
        let mut vigil = Vigil::new(began);
        seconds
            .iter()
            .map(|s| {
                let now = began + Duration::from_secs(*s);
                let (care, next) = vigil.look(now, seen(*s), &limits());
                assert!(next > now);
                care
            })
            .collect()
    }

    #[test]
    fn a_connection_without_a_request_is_closed() {
        let cares = story(&[1, 2], |_| Seen::default());
        assert_eq!(cares, [Care::Nothing, Care::Close]);
    }

    #[test]
    fn a_silent_peer_is_asked_and_then_given_up() {
        let seen = |s| Seen {
            requests: 1,
            is_ping_unanswered: s >= 11,
            ..Seen::default()
        };
        let cares = story(&[1, 9, 10, 12, 15], seen);
        let (nothing, close) = (Care::Nothing, Care::Close);
        assert_eq!(cares, [nothing, nothing, Care::Ping, nothing, close]);
    }

    #[test]
    fn one_that_answers_and_asks_nothing_is_asked_to_go() {
        let seen = |s| Seen {
            requests: 1,
            reads: s,
            ..Seen::default()
        };
        let cares = story(&[1, 30, 60, 61, 63, 66], seen);
        let (nothing, ping) = (Care::Nothing, Care::Ping);
        assert_eq!(cares[..2], [nothing, nothing]);
        assert_eq!(cares[2..], [nothing, Care::Leave, nothing, Care::Insist]);
        assert!(!cares.contains(&ping));
    }

    #[test]
    fn one_that_takes_nothing_is_given_up() {
        let seen = |s| Seen {
            requests: s,
            reads: s,
            is_stuck: s > 1,
            ..Seen::default()
        };
        let cares = story(&[1, 20, 30, 31], seen);
        assert_eq!(cares[..3], [Care::Nothing; 3]);
        assert_eq!(cares[3], Care::Close);
    }
}
