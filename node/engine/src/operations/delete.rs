//! Removing a key. It takes a sequence whether or not the key was there: whoever
//! deletes must be able to say "nothing older than this".

use crate::partition::{Leaves, Partition};
use crate::request::{Deleted, Now};

impl Partition {
    pub(crate) fn delete(&mut self, key: &[u8], now: Now) -> Deleted {
        let now_ms = self.own_time_ms(now);
        let hash = self.index.hash(key);
        let standing = self.find(hash, key, now_ms);
        if let Some(handle) = standing {
            self.remove(handle, hash, Leaves::Deleted);
            self.give_back_waste();
        }
        let seq = self.number_delete(key);
        self.value_went(key, now);
        Deleted {
            existed: standing.is_some(),
            version: self.version_of(seq),
        }
    }
}
