//! A token on its way to the caller: dropped before it is kept, it passes on.

use std::sync::Arc;

use bytes::Bytes;
use shoal_engine::FillToken;

use crate::clock::engine_now;
use crate::fills::Caller;

pub(crate) struct Grant {
    pub(super) caller: Arc<Caller>,
    pub(super) partition: u32,
    pub(super) key: Bytes,
    pub(super) token: FillToken,
    is_kept: bool,
}

impl Grant {
    pub(crate) fn new(caller: &Arc<Caller>, partition: u32, key: Bytes, token: FillToken) -> Grant {
        Grant {
            caller: caller.clone(),
            partition,
            key,
            token,
            is_kept: false,
        }
    }

    /// The caller is told: it holds the token until it is used, given back, or gone.
    pub(crate) fn keep(mut self) -> Bytes {
        self.is_kept = true;
        self.caller.holds_here(self.partition);
        Bytes::copy_from_slice(&self.token.to_bytes())
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.is_kept {
            let node = &self.caller.node;
            let now = engine_now(node.clock.boottime_ns());
            node.engine
                .release_fill(self.partition, &self.key, self.token, None, now);
        }
    }
}
