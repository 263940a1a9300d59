//! Who gives memory where both primaries' and followers' partitions are here.
//!
//! Primaries' partitions give first while they hold more than their share by count of open
//! partitions, else followers' do. So a node that is asked for much as a primary does not
//! push out the copies that others will need when it dies, nor the other way round.
//!
//! Sums are hints, as all of [`crate::eviction::Order`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::position::Role;
use crate::engine::Engine;
use crate::eviction::Order;
use crate::partition::Partition;

/// What one follower's partition adds to the sums, as long as it lives.
pub(crate) struct Share {
    order: Arc<Order>,
    bytes: usize,
}

impl Share {
    fn new(order: Arc<Order>) -> Share {
        order.follower_came();
        Share { order, bytes: 0 }
    }

    fn set(&mut self, bytes: usize) {
        self.order.follower_holds(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.order.follower_left(self.bytes);
    }
}

impl Partition {
    /// Whether the sums hold something of it, or must.
    #[inline]
    pub(crate) fn is_counted_as_follower(&self) -> bool {
        self.role != Role::Primary || self.share.is_some()
    }

    /// Brings the sums up to date.
    pub(crate) fn count_share(&mut self) {
        if self.role != Role::Primary {
            let order = &self.order;
            let share = self
                .share
                .get_or_insert_with(|| Share::new(Arc::clone(order)));
            share.set(self.ledger.held_bytes());
        } else {
            self.share = None;
        }
    }
}

/// Whose entries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Giver {
    Anybody,
    Primaries,
    Followers,
}

impl Giver {
    pub(crate) fn is(self, follows: bool) -> bool {
        match self {
            Giver::Anybody => true,
            Giver::Primaries => !follows,
            Giver::Followers => follows,
        }
    }
}

impl Engine {
    pub(crate) fn giver(&self) -> Giver {
        let (followers, follower_bytes) = self.order.followers();
        if followers == 0 {
            return Giver::Anybody;
        }
        let open = self.open_count.load(Relaxed).max(1) as usize;
        let primaries = open.saturating_sub(followers);
        let held = self.used_bytes().saturating_sub(self.fixed_bytes());
        let theirs = held.saturating_sub(follower_bytes) as u128;
        if theirs * open as u128 > held as u128 * primaries as u128 {
            Giver::Primaries
        } else {
            Giver::Followers
        }
    }

    pub(crate) fn follows(&self, at: usize) -> bool {
        self.places[at].follows.load(Relaxed) != 0
    }
}
