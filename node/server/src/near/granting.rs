//! What a read and a write have to do with grants: see [`crate::near`] for why it is enough.

use bytes::Bytes;
use shoal_protos::v1;

use crate::introspection::quick_hash;
use crate::near::SLACK_MS;
use crate::node::{Moment, Node, Wrote};

/// For how long a read that is about to take place may be answered from memory, at most, in
/// milliseconds; 0: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant(u64);

impl Grant {
    pub(crate) const NONE: Grant = Grant(0);

    /// What of it is given with an entry that lives, and is fresh, for so long. As the
    /// engine tells it: `ttl_ms` of 0 for ever, `fresh_ms` of None likewise.
    pub(crate) fn within(self, ttl_ms: u64, fresh_ms: Option<u64>) -> i64 {
        let lives_ms = if ttl_ms == 0 { u64::MAX } else { ttl_ms };
        let granted_ms = self.0.min(lives_ms).min(fresh_ms.unwrap_or(u64::MAX));
        i64::try_from(granted_ms).unwrap_or(i64::MAX)
    }
}

impl Node {
    /// Note that what this key is about to be found as may be answered from memory. To be
    /// called before the read, in the evaluation.
    #[inline]
    pub(crate) fn grant(&self, partition: u32, key: &[u8], moment: Moment) -> Grant {
        if self.near.hot.is_empty() || !moment.may_grant {
            return Grant::NONE;
        }
        self.grant_if_hot(partition, key, moment)
    }

    fn grant_if_hot(&self, partition: u32, key: &[u8], moment: Moment) -> Grant {
        let hash = quick_hash(key);
        let Some(spot) = self.near.hot.find(hash) else {
            return Grant::NONE;
        };
        self.near.hot.read(spot);
        let now_ms = moment.now.0;
        let lease_ms = self
            .fence
            .remaining_ms(now_ms.saturating_mul(1_000_000) + 999_999);
        let granted_ms = self.near.grant_ms.min(lease_ms);
        let until_ms = now_ms.saturating_add(granted_ms).saturating_add(SLACK_MS);
        let is_noted = granted_ms > 0 && self.near.grants.note(partition, hash, key, until_ms);
        Grant(if is_noted { granted_ms } else { 0 })
    }

    /// This was written: nobody may go on holding what it changes. To be called behind the
    /// write, before it is answered. An empty key: anything of the partition may have changed.
    #[inline]
    pub(crate) fn invalidate(&self, partition: u32, epoch: u64, key: &[u8], wrote: Wrote) {
        if self.near.grants.has_any(partition) {
            self.invalidate_granted(partition, epoch, key, wrote);
        }
    }

    #[cold]
    fn invalidate_granted(&self, partition: u32, epoch: u64, key: &[u8], wrote: Wrote) {
        let near = &self.near;
        let (version, beyond_ms) = match wrote {
            Wrote::Nothing => return,
            Wrote::Seq(seq) => (Some(v1::Version { epoch, seq }), 0),
            // Who holds it for no longer than it lives holds what is true.
            Wrote::Lives { until_ms } => (None, until_ms),
        };
        let tell = |keys| near.stream.invalidate(partition, version, keys);
        if key.is_empty() {
            return near.grants.take_all(partition, || tell(Vec::new()));
        }
        let hash = quick_hash(key);
        let told = || tell(vec![Bytes::copy_from_slice(key)]);
        if near.grants.take(partition, hash, key, beyond_ms, told) {
            near.hot.wrote(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Grant;

    #[test]
    fn a_grant_ends_with_the_entry_and_with_its_freshness() {
        let grant = Grant(1000);
        assert_eq!(grant.within(0, None), 1000);
        assert_eq!(grant.within(5000, Some(2000)), 1000);
        assert_eq!(grant.within(400, None), 400);
        assert_eq!(grant.within(400, Some(30)), 30);
        assert_eq!(grant.within(400, Some(0)), 0, "it is stale");
        assert_eq!(Grant::NONE.within(0, None), 0);
    }
}
