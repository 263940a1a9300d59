//! One copy that follows, or must acknowledge, as its primary sees it.

use crate::copy::Copy;
use crate::hub::lag::Lag;

#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) copy: Copy,
    /// Everything up to here is applied there. Never goes back: a copy that drops what it
    /// has takes another id.
    pub(crate) acked_seq: u64,
    /// The copy is known to be on this primary's lineage.
    pub(crate) is_established: bool,
    /// Of the stream that carries it. None: none does.
    pub(crate) stream: Option<u64>,
    pub(crate) is_restoring: bool,
    pub(crate) lag: Lag,
    /// Where it has caught up for the first time, which is news.
    pub(crate) goal_seq: Option<u64>,
    /// It has been behind for so long that this was news.
    pub(crate) is_behind: bool,
}

impl Follower {
    /// A copy of which nothing is known yet.
    pub(crate) fn unknown(copy: Copy) -> Follower {
        Follower {
            copy,
            acked_seq: 0,
            is_established: false,
            stream: None,
            is_restoring: false,
            lag: Lag::default(),
            goal_seq: None,
            is_behind: false,
        }
    }

    /// Acknowledges; returns whether that is news.
    pub(crate) fn acknowledge(&mut self, seq: u64, head_seq: u64, now_ms: u64) -> bool {
        self.acked_seq = self.acked_seq.max(seq);
        let was_established = std::mem::replace(&mut self.is_established, true);
        self.lag.observe(head_seq, self.acked_seq, now_ms);
        let reached = self.goal_seq.is_some_and(|goal| self.acked_seq >= goal);
        if reached {
            self.goal_seq = None;
        }
        let recovered = self.is_behind && self.acked_seq >= head_seq;
        if recovered {
            self.is_behind = false;
        }
        reached || recovered || !was_established
    }

    /// Whether it is known to have everything up to `seq`.
    pub(crate) fn has(&self, seq: u64) -> bool {
        self.is_established && self.acked_seq >= seq
    }

    /// Looks how far behind it is; returns whether that is news.
    pub(crate) fn look(&mut self, head_seq: u64, now_ms: u64, behind_ms: u64) -> bool {
        self.lag.observe(head_seq, self.acked_seq, now_ms);
        if self.is_behind || self.lag.ms(now_ms) < behind_ms {
            return false;
        }
        self.is_behind = true;
        true
    }
}
