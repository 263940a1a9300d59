//! Batches as a primary makes them, for the target `replication_batch`.

use shoal_engine::{
    Engine, Eviction, Increment, Join, Now, Position, RequestId, Settings, TagList, Write,
};

const NOW: Now = Now(5_000_000);

/// Each behind its length, after the byte that says what the follower is.
pub(crate) fn batches() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("log", framed(0, &log(Position::NOTHING, true, usize::MAX))),
        (
            "log-in-pieces",
            framed(2, &log(Position::NOTHING, true, 40)),
        ),
        (
            "log-goes-on",
            framed(1, &log(Position { epoch: 1, seq: 2 }, true, 60)),
        ),
        (
            "log-after-promotion",
            framed(3, &log(Position { epoch: 1, seq: 2 }, true, 1000)),
        ),
        (
            "snapshot",
            framed(0, &log(Position::NOTHING, false, usize::MAX)),
        ),
        (
            "snapshot-in-pieces",
            framed(2, &log(Position::NOTHING, false, 1)),
        ),
        (
            "snapshot-for-another",
            framed(1, &log(Position { epoch: 1, seq: 9 }, true, 300)),
        ),
    ]
}

fn framed(mode: u8, batches: &[Vec<u8>]) -> Vec<u8> {
    let mut seed = vec![mode];
    for batch in batches {
        seed.extend((batch.len() as u16).to_le_bytes());
        seed.extend(batch);
    }
    seed
}

fn log(at: Position, keeps_log: bool, budget: usize) -> Vec<Vec<u8>> {
    let engine = primary(keeps_log);
    let mut batches = Vec::new();
    let mut cursor = match engine.join(0, at).unwrap() {
        Join::Log(cursor) => cursor,
        Join::Snapshot(mut cursor) => loop {
            let mut batch = Vec::new();
            let sent = engine
                .read_snapshot(0, &mut cursor, budget, NOW, &mut batch)
                .unwrap();
            batches.push(batch);
            if sent.is_done {
                break cursor.into_log();
            }
        },
    };
    engine.delete(0, b"two", NOW).unwrap();
    loop {
        let mut batch = Vec::new();
        let sent = engine
            .read_log(0, &mut cursor, budget, NOW, &mut batch)
            .unwrap();
        batches.push(batch);
        if sent.is_all {
            return batches;
        }
    }
}

fn primary(keeps_log: bool) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 1 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 20_000,
        hash_seed: 1,
    });
    engine.open(0, 1).unwrap();
    engine.keep_log(0, keeps_log).unwrap();
    let set = |key: &[u8], ttl_ms, absent| {
        let value = if absent { &b""[..] } else { key };
        let write = Write {
            value,
            ttl_ms,
            absent,
            condition: None,
            ..Write::default()
        };
        let id = RequestId::new(key);
        engine.set_once(0, key, write, id, NOW).unwrap();
    };
    set(b"1", 500, false);
    set(b"two", 0, false);
    engine.demote(0).unwrap();
    engine.promote(0, 4).unwrap();
    set(b"none", 900, true);
    let tags = TagList::new([&b"t"[..], b"u"]).unwrap();
    let tagged = Write {
        value: b"tagged",
        ttl_ms: 900,
        fresh_ms: 300,
        tags: tags.tags(),
        ..Write::default()
    };
    for key in [b"with-t", b"with-u"] {
        engine.set(0, key, tagged, NOW).unwrap();
        engine.invalidate_tag(0, b"t", NOW).unwrap();
    }
    let add = Increment {
        delta: 5,
        initial: 0,
        ttl_ms: 0,
    };
    engine
        .incr_once(0, b"sum", add, RequestId::new(b"sum-id"), NOW)
        .unwrap();
    engine.touch(0, b"two", 700, NOW).unwrap();
    engine.delete(0, b"1", NOW).unwrap();
    engine
}
