//! What one partition is on this node, as far as replication goes.
//!
//! The fields that every read and write looks at are atomics and hold what the state
//! behind the lock says; only who holds the lock writes them. The engine is called under
//! the lock, never the other way round.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::Waker;

use crate::copy::Copy;
use crate::hub::follower::Follower;
use crate::hub::pending::Pending;
use crate::hub::waiters::Waiters;
use crate::mutants::{self, Mutant};
use crate::stream::Stream;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex};

/// Everything is committed: no copy is required.
pub(crate) const ALL: u64 = u64::MAX;

#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Place {
    /// As primary. 0: not served.
    pub(crate) epoch: AtomicU64,
    /// What every required copy has.
    pub(crate) committed: AtomicU64,
    /// Streams that follow, or would.
    pub(crate) stream_count: AtomicU32,
    /// The streams know that there is news, and nobody has looked since.
    pub(crate) is_told: AtomicBool,
    /// Some reads wait: look behind the lock.
    pub(crate) is_guarded: AtomicBool,
    /// Copies in the record's in-sync set, the primary's among them. 0: not told yet.
    pub(crate) in_sync_count: AtomicU32,
    pub(crate) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) partition: u32,
    pub(crate) copy_id: Option<Arc<str>>,
    /// The highest epoch that the copy has obeyed.
    pub(crate) seen_epoch: u64,
    pub(crate) streams: Vec<Arc<Stream>>,
    pub(crate) served: Option<Served>,
    /// Since when nobody is known who would need the log.
    pub(crate) unneeded_since_ms: Option<u64>,
}

/// What there is to know of a partition whose primary this node is.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) epoch: u64,
    /// None: not told yet, so nothing is committed.
    pub(crate) required: Option<Vec<Copy>>,
    pub(crate) followers: Vec<Follower>,
    /// Reads wait until this is committed, which another primary wrote. 0: they need not.
    pub(crate) promoted_seq: u64,
    pub(crate) pending: Pending,
    /// Writes that began while no copy was required, and are not marked.
    pub(crate) unmarked: usize,
    /// A copy became required while some were under way: reads wait until they ended.
    pub(crate) has_unmarked: bool,
    pub(crate) waiters: Waiters,
}

impl Served {
    pub(crate) fn new(epoch: u64, required: Option<Vec<Copy>>, promoted_seq: u64) -> Served {
        Served {
            epoch,
            required,
            followers: Vec::new(),
            promoted_seq,
            pending: Pending::default(),
            unmarked: 0,
            has_unmarked: false,
            waiters: Waiters::default(),
        }
    }

    pub(crate) fn follower(&mut self, copy: &Copy) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|known| known.copy == *copy)
    }

    pub(crate) fn is_required(&self, copy: &Copy) -> bool {
        self.required.iter().flatten().any(|needed| needed == copy)
    }

    /// What every required copy has acknowledged.
    fn committed(&self) -> u64 {
        let Some(required) = &self.required else {
            return 0;
        };
        let is_same = |known: &Follower, needed: &Copy| {
            known.copy == *needed
                || (mutants::is(Mutant::CountNodes) && known.copy.node == needed.node)
        };
        let acked = required.iter().map(|needed| {
            let same = self.followers.iter().filter(|known| is_same(known, needed));
            same.map(|known| known.acked_seq).max().unwrap_or(0)
        });
        if mutants::is(Mutant::AckByAny) {
            return acked.max().unwrap_or(ALL);
        }
        acked.min().unwrap_or(ALL)
    }
}

impl Place {
    /// What was required or acknowledged has changed: who waited long enough is taken.
    pub(crate) fn recommit(&self, served: &mut Served, woken: &mut Vec<Waker>) {
        let committed = served.committed();
        self.committed.store(committed, Release);
        served.pending.commit(committed);
        if committed >= served.promoted_seq {
            served.promoted_seq = 0;
        }
        served.waiters.take_committed(committed, woken);
        self.reguard(served);
    }

    /// What reads wait for has changed.
    pub(crate) fn reguard(&self, served: &Served) {
        let is_guarded = served.promoted_seq > 0 || served.pending.len() > 0 || served.has_unmarked;
        self.is_guarded.store(is_guarded, Release);
    }

    /// This node is the partition's primary now.
    pub(crate) fn serve(&self, state: &mut State, mut served: Served) {
        let mut nobody = Vec::new();
        state.seen_epoch = state.seen_epoch.max(served.epoch);
        state.unneeded_since_ms = None;
        let in_sync_count = served.required.as_ref().map_or(0, |_| 1);
        self.in_sync_count.store(in_sync_count, Relaxed);
        self.recommit(&mut served, &mut nobody);
        self.epoch.store(served.epoch, Release);
        state.served = Some(served);
        state.tell();
    }

    /// This node is not, or no longer. Everybody who waits finds that out.
    pub(crate) fn unserve(&self, state: &mut State, woken: &mut Vec<Waker>) {
        self.epoch.store(0, Release);
        self.committed.store(0, Release);
        self.in_sync_count.store(0, Relaxed);
        self.is_guarded.store(false, Release);
        if let Some(mut served) = state.served.take() {
            served.waiters.take_all(woken);
        }
        state.tell();
    }

    /// The epoch under which the partition is served here, if it is.
    pub(crate) fn served_epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Acquire)).filter(|&epoch| epoch != 0)
    }
}

impl State {
    /// The partition's streams look at it.
    pub(crate) fn tell(&self) {
        for stream in &self.streams {
            stream.tell(self.partition);
        }
    }
}
