//! A limit that moves: what entries may take of `maxmemory_bytes` while the rest of the
//! process needs some of it.
//!
//! Lowering it takes nothing away by itself, so that no write has to make room for more
//! than itself: whoever lowers it calls [`Engine::shed_to`] until it is reached.

use crate::engine::Engine;
use crate::request::Now;

/// Of one call of [`Engine::shed_to`], about.
const SHED_BYTES: usize = 64 << 10;
/// No partition has this number, so none is left out.
const NO_PARTITION: usize = usize::MAX;

impl Engine {
    /// What may be held now.
    pub fn limit_bytes(&self) -> usize {
        self.account.max_bytes()
    }

    /// What is held now.
    pub fn used_bytes(&self) -> usize {
        self.account.used_bytes()
    }

    /// Goes one step towards holding no more than `bytes`: whoever has waited longest is
    /// evicted first. True: call it again, after letting others have their turn. Under
    /// the policy `none` only what has expired goes.
    ///
    /// The limit comes to be `bytes`, never more than `maxmemory_bytes`, or what is held
    /// where that is more.
    pub fn shed_to(&self, bytes: usize, now: Now) -> bool {
        let bytes = bytes.min(self.settings.maxmemory_bytes);
        let mut gave = false;
        if self.used_bytes() > bytes {
            gave = match self.oldest_but(NO_PARTITION, 0) {
                Some((at, due)) => self.take_from(at, SHED_BYTES, due, now) > 0,
                None => false,
            } || self.take_from_anybody(NO_PARTITION, SHED_BYTES, now);
        }
        let used_bytes = self.used_bytes();
        self.account.set_max_bytes(used_bytes.max(bytes));
        gave && used_bytes > bytes
    }
}
