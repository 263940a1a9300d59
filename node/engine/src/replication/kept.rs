//! What an operation leaves for others beside the entry: a record in the log, and what its
//! request came to.
//!
//! Without a log and without a request id it leaves nothing, and costs two comparisons.

use super::recent::{Aim, RequestId, Result as Came, key_mark};
use super::record::{By, Record, Stored};
use crate::entry::{self, Draft};
use crate::fairness::MayEvict;
use crate::handle::Handle;
use crate::operations::Stop;
use crate::partition::Partition;
use crate::room::Short;

/// What the table of recent requests, or the lineage, grows by at a time, about.
const TABLE_BYTES: usize = 4 << 10;

impl Partition {
    /// A value was stored: takes the next sequence, and tells it.
    #[inline]
    pub(crate) fn number_put(
        &mut self,
        draft: &Draft<'_>,
        request: Option<(RequestId<'_>, Option<i64>)>,
        now_ms: u64,
    ) -> u64 {
        let seq = self.next_sequence();
        if self.log.is_some() || request.is_some() {
            self.keep_put(seq, draft, request, now_ms);
        }
        seq
    }

    #[cold]
    fn keep_put(
        &mut self,
        seq: u64,
        draft: &Draft<'_>,
        request: Option<(RequestId<'_>, Option<i64>)>,
        now_ms: u64,
    ) {
        if let Some((id, number)) = request {
            let came = Came {
                key_mark: key_mark(draft.key),
                seq,
                number,
                at_ms: now_ms,
            };
            self.remember(id, came);
        }
        if let Some(log) = &mut self.log {
            let stored = Stored {
                key: draft.key,
                value: draft.value,
                deadline_ms: draft.deadline_ms,
                extras: draft.extras,
            };
            let by = request.map(|(id, number)| By {
                id: id.bytes(),
                is_incr: number.is_some(),
            });
            log.append(&Record::Put { stored, by }, Some(seq), &mut self.ledger);
        }
    }

    #[inline]
    pub(crate) fn number_delete(&mut self, key: &[u8]) -> u64 {
        let seq = self.next_sequence();
        if let Some(log) = &mut self.log {
            log.append(&Record::Delete { key }, Some(seq), &mut self.ledger);
        }
        seq
    }

    pub(crate) fn number_invalidation(&mut self, tag: &[u8]) -> u64 {
        let seq = self.next_sequence();
        if let Some(log) = &mut self.log {
            log.append(&Record::Invalidate { tag }, Some(seq), &mut self.ledger);
        }
        seq
    }

    #[inline]
    pub(crate) fn number_touch(&mut self, key: &[u8], deadline_ms: Option<u64>) -> u64 {
        let seq = self.next_sequence();
        if let Some(log) = &mut self.log {
            let record = Record::Touch { key, deadline_ms };
            log.append(&record, Some(seq), &mut self.ledger);
        }
        seq
    }

    /// What the ledger should hold for all of this.
    pub(crate) fn replication_bytes(&self) -> usize {
        let log = self.log.as_ref().map_or(0, |log| log.charged_bytes());
        log + self.recent.charged_bytes() + self.lineage.charged_bytes()
    }

    /// An entry is about to leave, and no operation says so.
    #[cold]
    pub(crate) fn tell_removed(&mut self, handle: Handle) {
        let key = entry::key(self.heap.entry(handle));
        if let Some(log) = &mut self.log {
            log.append(&Record::Removed { key }, None, &mut self.ledger);
        }
    }

    /// What a request came to, if it was applied before.
    pub(crate) fn came_to(&self, id: RequestId<'_>, aim: Aim, now_ms: u64) -> Option<Came> {
        let hash = self.index.hash(id.bytes());
        self.recent.find(hash, id.bytes(), aim, now_ms)
    }

    /// Makes room to remember a request. Handles got before are void.
    pub(crate) fn ready_request(
        &mut self,
        id: RequestId<'_>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stop> {
        let len = id.bytes().len();
        self.ready_or_shed(now_ms, may_evict, |open| {
            open.recent.ready(len, now_ms, &mut open.ledger)
        })
    }

    /// Makes room for another epoch.
    pub(super) fn ready_lineage(
        &mut self,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stop> {
        self.ready_or_shed(now_ms, may_evict, |open| {
            open.lineage.ready(&mut open.ledger)
        })
    }

    /// Has something made ready that the account must have room for.
    pub(crate) fn ready_or_shed(
        &mut self,
        now_ms: u64,
        may_evict: MayEvict<'_>,
        ready: impl Fn(&mut Partition) -> bool,
    ) -> Result<(), Stop> {
        if ready(self) {
            return Ok(());
        }
        let shed = self.shed(TABLE_BYTES, may_evict.due(), now_ms);
        if ready(self) {
            return Ok(());
        }
        Err(Stop::Short {
            why: if shed.more { Short::Again } else { Short::Full },
            bytes: TABLE_BYTES,
        })
    }

    /// After `ready_request`.
    pub(super) fn remember(&mut self, id: RequestId<'_>, came: Came) {
        let hash = self.index.hash(id.bytes());
        self.recent.remember(hash, id.bytes(), came);
    }
}
