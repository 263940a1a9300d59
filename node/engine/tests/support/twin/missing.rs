//! What may be missing in the engine, and how much of it is there.

use shoal_engine::{Engine, Now};

use super::{PARTITIONS, Stored, TIGHT_BYTES, Twin, partition_of};

impl Twin {
    /// Every counter that the twin can know, where nothing is lost.
    pub(crate) fn check_counts(&mut self, engine: &Engine) {
        for partition in 0..PARTITIONS {
            while engine.reclaim_expired(partition, Now(self.now_ms + 128), usize::MAX) > 0 {}
        }
        let alive = |known: &Stored, now_ms| known.deadline_ms.is_none_or(|at| at > now_ms);
        let stats = engine.stats();
        // What expires within the wheel's current tick may be there or not.
        let most = self.map.values().filter(|it| alive(it, self.now_ms));
        let least = self.map.iter().filter(|&(&key, it)| {
            alive(it, self.now_ms + 128) && !self.may_be_void(engine, key, it)
        });
        let (least, most) = (least.count() as u64, most.count() as u64);
        assert!(
            (least..=most).contains(&stats.entries),
            "{stats:?}: {least} to {most}"
        );
        assert_eq!(stats.evicted, 0);
        assert_eq!((stats.hits, stats.misses), (self.hits, self.misses));
        let open = self.rooms.iter().filter(|room| room.is_open).count();
        assert_eq!(stats.open_partitions as usize, open);
    }

    /// Whether the engine need not have what the twin has, if it has it.
    pub(super) fn may_miss(&self, engine: &Engine, key: u16) -> bool {
        let known = self.map.get(&key);
        self.may_lose || known.is_none_or(|it| self.may_be_void(engine, key, it))
    }

    /// Where there was no memory to note a tag, all older entries with any tag are void. No
    /// write need have been refused for it: what is left may do for an entry, and not for that.
    fn may_be_void(&self, engine: &Engine, key: u16, known: &Stored) -> bool {
        let invalidated_seq = self.rooms[partition_of(key) as usize].invalidated_seq;
        let is_older = known.version.seq < invalidated_seq;
        let stats = engine.stats();
        let is_short = stats.memory_full > 0 || stats.maxmemory_bytes <= TIGHT_BYTES as u64;
        is_older && !known.tags.is_empty() && is_short
    }
}
