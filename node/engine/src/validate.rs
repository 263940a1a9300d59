//! The walk over every invariant of a partition. For tests and for hunting bugs: it
//! reads everything and allocates as it likes.

use std::collections::BTreeSet;

use crate::entry;
use crate::eviction::POLICY_BYTES_MAX;
use crate::handle::Handle;
use crate::memory::allocated;
use crate::partition::Partition;
use crate::replication::Role;

impl Partition {
    /// Err: a sentence that says which invariant is broken.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let live = set("heap", self.heap.validate()?)?;
        let indexed = set("index", self.index.validate(&self.heap)?)?;
        let queued = set("policy", self.policy.validate(&self.heap)?)?;
        let expiring: BTreeSet<Handle> = live
            .iter()
            .copied()
            .filter(|&at| entry::expires(self.heap.entry(at)))
            .collect();
        let waiting = match &self.wheel {
            Some(wheel) => set("wheel", wheel.validate(&self.heap)?)?,
            None => BTreeSet::new(),
        };
        if indexed != live {
            return Err("the index and the heap hold different entries".into());
        }
        if queued != live {
            return Err("the policy and the heap hold different entries".into());
        }
        if waiting != expiring {
            return Err("the wheel does not hold the entries that expire".into());
        }
        if live.len() != self.entries {
            return Err(format!(
                "{} entries are counted as {}",
                live.len(),
                self.entries
            ));
        }
        let payload_bytes: usize = live
            .iter()
            .map(|&at| entry::payload_bytes(self.heap.entry(at)))
            .sum();
        if payload_bytes != self.payload_bytes {
            return Err(format!(
                "{payload_bytes} bytes of keys and values are counted as {}",
                self.payload_bytes
            ));
        }
        for &handle in &live {
            let entry = self.heap.entry(handle);
            if self.heap.sequence(handle) > self.sequence {
                return Err(format!("{handle:?} is of a write that is still to come"));
            }
            let found = self
                .index
                .find(&self.heap, self.hash_of(handle), entry::key(entry));
            if found != Some(handle) {
                return Err(format!("{handle:?} is not what its key finds"));
            }
        }
        self.validate_tags(live.iter())?;
        self.validate_replication()?;
        self.validate_account()
    }

    fn validate_replication(&self) -> Result<(), String> {
        if let Some(log) = &self.log {
            log.validate(self.sequence)?;
        }
        self.recent.validate(self.sequence)?;
        if let Some(leases) = &self.fills {
            leases.validate()?;
        }
        self.lineage
            .validate(self.sequence, self.role == Role::Primary)
    }

    fn validate_account(&self) -> Result<(), String> {
        let wheel = self
            .wheel
            .as_deref()
            .map_or(0, |wheel| allocated(size_of_val(wheel)));
        let charged = self.heap.charged_bytes()
            + self.index.charged_bytes()
            + self.policy.charged_bytes()
            + self.replication_bytes()
            + self.fills_bytes()
            + self.tags.charged_bytes()
            + wheel;
        let held = self.ledger.held_bytes();
        if charged != held {
            return Err(format!(
                "the ledger holds {held} bytes for {charged} allocated"
            ));
        }
        if allocated(size_of_val(&*self.policy)) > POLICY_BYTES_MAX {
            return Err("the policy is larger than what the engine set aside for it".into());
        }
        Ok(())
    }
}

fn set(owner: &str, handles: Vec<Handle>) -> Result<BTreeSet<Handle>, String> {
    let count = handles.len();
    let set: BTreeSet<Handle> = handles.into_iter().collect();
    if set.len() == count {
        Ok(set)
    } else {
        Err(format!("the {owner} holds an entry twice"))
    }
}
