//! A primary elsewhere, with memory enough, whose log followers are fed with.

use shoal_engine::{ApplyError, Engine, Eviction, Join, Now, Position, Settings, Write};

pub(crate) const NOW: Now = Now(1_000_000);

pub(crate) fn engine(partitions: u32, maxmemory_bytes: usize, eviction: Eviction) -> Engine {
    Engine::new(Settings {
        partition_count: partitions,
        maxmemory_bytes,
        eviction,
        key_bytes_max: 64,
        value_bytes_max: 1 << 20,
        hash_seed: 3,
    })
}

pub(crate) fn value(value: &[u8]) -> Write<'_> {
    Write {
        value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    }
}

/// Primary of as many partitions as are asked for, with a log of everything.
pub(crate) struct Feed {
    pub(crate) engine: Engine,
}

impl Feed {
    pub(crate) fn new(partitions: u32) -> Feed {
        let engine = engine(partitions, 1 << 30, Eviction::S3Fifo);
        engine.limit_log(256 << 20);
        for partition in 0..partitions {
            engine.open(partition, 1).unwrap();
            engine.keep_log(partition, true).unwrap();
        }
        Feed { engine }
    }

    pub(crate) fn set(&self, partition: u32, key: u64, bytes: &[u8]) {
        let key = key.to_le_bytes();
        self.engine.set(partition, &key, value(bytes), NOW).unwrap();
    }

    /// Brings a follower to the head, in batches of so many bytes, or to where it refuses.
    pub(crate) fn bring(
        &self,
        follower: &Engine,
        partition: u32,
        budget: usize,
    ) -> Result<(), ApplyError> {
        let at = follower.position(partition).unwrap();
        let Join::Log(mut cursor) = self.engine.join(partition, at).unwrap() else {
            panic!("the log tells all");
        };
        loop {
            let mut batch = Vec::new();
            let sent = self
                .engine
                .read_log(partition, &mut cursor, budget, NOW, &mut batch)
                .unwrap();
            if !batch.is_empty() {
                follower.apply(partition, &batch, NOW)?;
            }
            if sent.is_all {
                return Ok(());
            }
        }
    }

    /// Restores an empty follower by a snapshot, and brings it to the head.
    pub(crate) fn restore(&self, follower: &Engine, partition: u32) {
        self.engine.keep_log(partition, false).unwrap();
        let Join::Snapshot(mut cursor) = self.engine.join(partition, Position::NOTHING).unwrap()
        else {
            panic!("the log has only just begun");
        };
        loop {
            let mut batch = Vec::new();
            let sent = self
                .engine
                .read_snapshot(partition, &mut cursor, 500, NOW, &mut batch)
                .unwrap();
            follower.apply(partition, &batch, NOW).unwrap();
            if sent.is_done {
                return;
            }
        }
    }
}
