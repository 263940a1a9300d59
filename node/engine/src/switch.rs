//! Another eviction policy for a running engine, without losing an entry.
//!
//! [`Engine::set_eviction`] takes effect at once for what is opened from then on, and
//! begins the switch of each open partition, in constant time each.
//! [`Engine::continue_switch`] then goes on, a bounded number of entries at each hold
//! of a lock; [`mod@crate::eviction`] says how. Only one thread should call them; others
//! read and write meanwhile as ever.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::engine::Engine;
use crate::eviction::{self, Turned};
use crate::partition::Partition;
use crate::settings::Eviction;

impl Engine {
    /// The policy that holds, or that partitions are on their way to.
    pub fn eviction(&self) -> Eviction {
        Eviction::ALL[self.eviction.load(Relaxed) as usize]
    }

    /// Makes this the policy. Call [`Engine::continue_switch`] afterwards, until no
    /// partition has more to do.
    pub fn set_eviction(&self, to: Eviction) {
        self.eviction.store(to as u32, Relaxed);
        for place in &self.places {
            if let Some(open) = &mut place.state.lock().open {
                open.begin_switch(to);
                place.publish(open);
            }
        }
    }

    /// Goes on with a partition's switch, if it is in one: up to `budget` entries.
    /// Returns whether there is more to do.
    pub fn continue_switch(&self, partition: u32, budget: usize) -> bool {
        let place = self.place(partition);
        let mut state = place.state.lock();
        state
            .open
            .as_mut()
            .is_some_and(|open| open.continue_switch(budget))
    }
}

impl Partition {
    fn begin_switch(&mut self, to: Eviction) {
        let seed = self.index.hash(&self.epoch.to_le_bytes());
        let chain = self.policy.release(&mut self.heap);
        let charged_bytes = self.policy.charged_bytes();
        let order = Arc::clone(&self.order);
        self.policy = eviction::transition(&mut self.heap, chain, to, seed, order);
        self.due_count = 0;
        // The old policy is gone, and so is what it had charged.
        self.ledger.refund(charged_bytes);
        self.is_provisioned = true;
    }

    fn continue_switch(&mut self, budget: usize) -> bool {
        match self.policy.turn(&mut self.heap, budget) {
            Turned::Settled => false,
            Turned::OnItsWay => true,
            Turned::Into(policy) => {
                self.policy = policy;
                false
            }
        }
    }
}
