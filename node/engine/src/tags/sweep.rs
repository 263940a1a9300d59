//! The sweep: passes all chains of the index, a few at a time, and takes out what is void.
//! On every copy for itself, and nobody is told: what is void is shown nowhere.

use super::table::RECORDS_MAX;
use crate::entry;
use crate::handle::Handle;
use crate::partition::{Leaves, Partition};
use crate::replication::Role;

/// Entries that one call looks at, and one chain more.
const ENTRIES_MAX: usize = 256;
/// Chains that one call passes.
const CHAINS_MAX: usize = 512;
/// With so many records it is urgent.
const URGENT_FROM: usize = RECORDS_MAX / 2;

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// The partition's newest operation when it began.
    begun: u64,
    /// The hash, its bits reversed, that comes next.
    at: u64,
}

impl Partition {
    /// A part of it, if there is anything to look for. Whether it is urgent to go on.
    pub(crate) fn sweep(&mut self) -> bool {
        if self.tags.is_idle() || self.role == Role::Restoring {
            return false;
        }
        if self.tags.newest > self.tags.swept {
            let mut pass = self.tags.pass.take().unwrap_or(Pass {
                begun: self.sequence,
                at: 0,
            });
            if self.pass_chains(&mut pass) {
                self.tags.swept = pass.begun;
            } else {
                self.tags.pass = Some(pass);
            }
        }
        let oldest = self.fills.as_ref().and_then(|it| it.oldest_since_seq());
        let upto = self.tags.swept.min(oldest.unwrap_or(u64::MAX));
        self.tags.forget(upto, &mut self.ledger);
        self.tags.pass.is_some() && self.tags.len() >= URGENT_FROM
    }

    /// Whether all were passed.
    fn pass_chains(&mut self, pass: &mut Pass) -> bool {
        let mut looked_at = 0;
        let mut void: Vec<Handle> = Vec::new();
        for _ in 0..CHAINS_MAX {
            if self.tags.entries == 0 {
                return true;
            }
            if looked_at >= ENTRIES_MAX {
                break;
            }
            let (mut link, next) = self.index.chain_in_order(pass.at);
            while let Some(handle) = link.handle() {
                link = entry::chain(self.heap.entry(handle));
                looked_at += 1;
                if self.is_void(handle) {
                    void.push(handle);
                }
            }
            // To remove one may split or join chains: not while one is walked.
            for handle in void.drain(..) {
                self.remove(handle, self.hash_of(handle), Leaves::Void);
            }
            match next {
                Some(next) => pass.at = next,
                None => return true,
            }
        }
        false
    }
}
