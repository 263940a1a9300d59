//! Storing a whole value, under a condition or not.

use super::Stop;
use crate::body::Body;
use crate::entry::{self, Draft};
use crate::extras::load_time::LoadTime;
use crate::extras::{Extras, Fresh};
use crate::fairness::MayEvict;
use crate::handle::Handle;
use crate::partition::{Partition, deadline_ms};
use crate::replication::RequestId;
use crate::request::{Condition, Now, SetOutcome, Version, Write};

/// What is to be written, in the partition's own time.
pub(crate) fn draft<'a>(
    key: &'a [u8],
    write: &Write<'a>,
    sequence: u64,
    now_ms: u64,
    load: LoadTime,
) -> Draft<'a> {
    Draft {
        key,
        value: if write.absent { &[] } else { write.value },
        sequence,
        deadline_ms: deadline_ms(write.ttl_ms, now_ms),
        extras: Extras {
            absent: write.absent,
            fresh: deadline_ms(write.fresh_ms, now_ms).map(|until_ms| Fresh { until_ms, load }),
            tags: write.tags,
        },
        body: None,
    }
}

impl Partition {
    /// `body`: of what is written, if it was laid out. `load`: how long it took to load
    /// what is stored, if anybody knows.
    #[expect(clippy::too_many_arguments, reason = "all of them of one write")]
    pub(crate) fn set(
        &mut self,
        key: &[u8],
        write: &Write<'_>,
        body: Option<&Body>,
        load: LoadTime,
        request: Option<RequestId<'_>>,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<SetOutcome, Stop> {
        if let Some(log) = &mut self.log {
            log.await_append(key.len() + write.value.len());
        }
        let now_ms = self.own_time_ms(now);
        if let Some(id) = request {
            self.ready_request(id, now_ms, may_evict)?;
        }
        let hash = self.index.hash(key);
        let standing = self.find(hash, key, now_ms);
        if !self.holds(write.condition, standing) {
            return Ok(SetOutcome::NotApplied(
                standing.map(|handle| self.version(handle)),
            ));
        }
        let draft = Draft {
            body,
            ..draft(key, write, self.sequence + 1, now_ms, load)
        };
        if let Some(handle) = standing
            && self.heap.fits_over(handle, &draft)
        {
            self.overwrite(handle, &draft);
        } else {
            self.room_for(&draft, now_ms, may_evict)?;
            // Making room may have moved the entry, or evicted it.
            let standing = self.index.find(&self.heap, hash, key);
            if !self.holds(write.condition, standing) {
                self.heap.cancel(&mut self.ledger);
                return Ok(SetOutcome::NotApplied(
                    standing.map(|handle| self.version(handle)),
                ));
            }
            self.store(hash, &draft, standing);
        }
        let seq = self.number_put(&draft, request.map(|id| (id, None)), now_ms);
        self.value_came(key);
        Ok(SetOutcome::Applied(self.version_of(seq)))
    }

    pub(crate) fn room_for(
        &mut self,
        draft: &Draft<'_>,
        now_ms: u64,
        may_evict: MayEvict<'_>,
    ) -> Result<(), Stop> {
        let bytes = draft.bytes();
        self.make_room(draft, now_ms, may_evict)
            .map_err(|why| Stop::Short { why, bytes })
    }

    /// Whether this would be stored in an allocation of its own, as things are.
    pub(crate) fn wants_body(&self, draft: &Draft<'_>, condition: Option<Condition>) -> bool {
        let standing = self
            .index
            .find(&self.heap, self.index.hash(draft.key), draft.key);
        self.holds(condition, standing)
            && !standing.is_some_and(|handle| self.heap.fits_over(handle, draft))
    }

    fn holds(&self, condition: Option<Condition>, standing: Option<Handle>) -> bool {
        let has_value = || standing.is_some_and(|at| !entry::is_absent(self.heap.entry(at)));
        let has_version =
            |wanted: Version| standing.is_some_and(|handle| self.version(handle) == wanted);
        match condition {
            None => true,
            Some(Condition::IfAbsent) => !has_value(),
            Some(Condition::IfPresent) => has_value(),
            Some(Condition::IfVersion(wanted)) => has_version(wanted),
        }
    }
}
