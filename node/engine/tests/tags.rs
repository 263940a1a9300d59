//! Tags: what an invalidation makes invisible, on reads, on fills and on every copy, and
//! what may be forgotten of it.

mod support;

use shoal_engine::{
    BadTags, Engine, FillAsk, FillBounds, FillToken, Filled, Increment, Now, Refused, SetOutcome,
    TagList, Version, Write,
};
use support::feed::{Feed, NOW, engine};

const MEMORY_BYTES: usize = 64 << 20;
const ASK: FillAsk = FillAsk {
    lease_ms: 10_000,
    waits: false,
    fresh_only: false,
    refresh_only: false,
    early_permille: 0,
    holder: 1,
    secret: 7,
    bounds: FillBounds {
        partition_leases_max: 100,
        leases_max: 100,
        waiters_max: 100,
    },
};

fn primary() -> Engine {
    let engine = engine(1, MEMORY_BYTES, shoal_engine::Eviction::S3Fifo);
    engine.open(0, 1).unwrap();
    engine
}

fn tag_list(tags: &[&[u8]]) -> TagList {
    TagList::new(tags.iter().copied()).unwrap()
}

fn set(engine: &Engine, key: u64, tags: &[&[u8]]) -> Version {
    let list = tag_list(tags);
    let write = Write {
        value: b"value",
        tags: list.tags(),
        ..Write::default()
    };
    match engine.set(0, &key.to_le_bytes(), write, NOW).unwrap() {
        SetOutcome::Applied(version) => version,
        SetOutcome::NotApplied(_) => unreachable!("there is no condition"),
    }
}

fn has(engine: &Engine, key: u64) -> bool {
    let read = engine.get(0, &key.to_le_bytes(), NOW, |_| ());
    read.unwrap().is_some()
}

fn miss(engine: &Engine, key: u64, now: Now) -> FillToken {
    let read = engine.get_or_fill(0, &key.to_le_bytes(), &ASK, now, |_| ());
    match read.unwrap() {
        Filled::Given(token) => token,
        other => panic!("nobody else loads it: {other:?}"),
    }
}

fn fill(engine: &Engine, key: u64, tags: &[&[u8]], token: FillToken) -> Result<(), Refused> {
    let list = tag_list(tags);
    let write = Write {
        value: b"loaded",
        tags: list.tags(),
        ..Write::default()
    };
    let filled = engine.fill(0, &key.to_le_bytes(), write, token, None, NOW);
    engine.validate(0).unwrap();
    filled.map(|_| ())
}

fn sweep(engine: &Engine) {
    for _ in 0..100 {
        engine.reclaim(0, NOW, 32);
        engine.validate(0).unwrap();
    }
}

#[test]
fn what_carries_the_tag_and_is_older_is_gone_for_everybody() {
    let engine = primary();
    set(&engine, 1, &[b"a", b"b"]);
    set(&engine, 2, &[b"b"]);
    set(&engine, 3, &[]);
    let version = engine.invalidate_tag(0, b"a", NOW).unwrap();
    assert_eq!(version, Version { epoch: 1, seq: 4 });
    assert_eq!([1, 2, 3].map(|key| has(&engine, key)), [false, true, true]);
    engine.validate(0).unwrap();
    // To every operation it is as if it were not there.
    let key = 1_u64.to_le_bytes();
    assert!(!engine.delete(0, &key, NOW).unwrap().existed);
    set(&engine, 1, &[b"a"]);
    engine.invalidate_tag(0, b"a", NOW).unwrap();
    assert_eq!(engine.touch(0, &key, 5, NOW), Ok(None));
    let stored = set(&engine, 1, &[b"a"]);
    assert!(has(&engine, 1), "it is younger than the invalidation");
    engine.invalidate_tag(0, b"a", NOW).unwrap();
    let write = Write {
        condition: Some(shoal_engine::Condition::IfVersion(stored)),
        ..Write::default()
    };
    let outcome = engine.set(0, &key, write, NOW);
    assert_eq!(outcome, Ok(SetOutcome::NotApplied(None)));
    let add = Increment {
        delta: 1,
        initial: 5,
        ttl_ms: 0,
    };
    assert_eq!(engine.incr(0, &key, add, NOW).unwrap().value, 6);
    engine.validate(0).unwrap();
}

#[test]
fn a_sum_and_a_touched_value_keep_their_tags() {
    let engine = primary();
    let list = tag_list(&[b"a"]);
    for key in [1_u64, 2] {
        let write = Write {
            value: b"7",
            tags: list.tags(),
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, NOW).unwrap();
    }
    let add = Increment {
        delta: 1_000_000,
        initial: 0,
        ttl_ms: 0,
    };
    engine.incr(0, &1_u64.to_le_bytes(), add, NOW).unwrap();
    engine.touch(0, &2_u64.to_le_bytes(), 9_000, NOW).unwrap();
    engine.invalidate_tag(0, b"a", NOW).unwrap();
    assert_eq!([1, 2].map(|key| has(&engine, key)), [false, false]);
}

#[test]
fn what_was_loaded_before_is_not_stored_after_it() {
    let engine = primary();
    let before = miss(&engine, 1, NOW);
    let other = miss(&engine, 2, NOW);
    engine.invalidate_tag(0, b"a", NOW).unwrap();
    assert_eq!(fill(&engine, 1, &[b"a"], before), Err(Refused::TokenVoid));
    assert_eq!(fill(&engine, 1, &[b"b"], before), Err(Refused::TokenVoid));
    assert_eq!(fill(&engine, 2, &[b"b"], other), Ok(()));
    // The lease has passed on: the next one loads what is true now.
    let after = miss(&engine, 1, NOW);
    assert_eq!(fill(&engine, 1, &[b"a"], after), Ok(()));
    assert!(has(&engine, 1));
}

#[test]
fn a_sweep_forgets_what_nothing_needs_but_what_a_loader_might() {
    let engine = primary();
    for key in 0..2000 {
        set(&engine, key, &[&[key as u8 % 4]]);
    }
    let before = miss(&engine, 9_999, NOW);
    let entries = engine.stats().entries;
    engine.invalidate_tag(0, &[1], NOW).unwrap();
    engine.invalidate_tag(0, b"of nothing", NOW).unwrap();
    let with_records = engine.inspect().memory.tags_bytes;
    assert!(with_records > 0);
    sweep(&engine);
    assert_eq!(engine.stats().entries, entries - 500);
    // A token is older than the records.
    assert_eq!(engine.inspect().memory.tags_bytes, with_records);
    assert_eq!(
        fill(&engine, 9_999, &[&[1]], before),
        Err(Refused::TokenVoid)
    );
    sweep(&engine);
    assert_eq!(engine.inspect().memory.tags_bytes, 0);
    assert!(has(&engine, 0) && !has(&engine, 1));
}

#[test]
fn where_nothing_carries_a_tag_nothing_is_kept() {
    let engine = primary();
    set(&engine, 1, &[]);
    for tag in 0..200_u8 {
        engine.invalidate_tag(0, &[tag], NOW).unwrap();
    }
    assert_eq!(engine.inspect().memory.tags_bytes, 0);
    set(&engine, 2, &[&[7]]);
    assert!(has(&engine, 2));
}

#[test]
fn more_tags_than_are_remembered_cost_hits_and_nothing_else() {
    let engine = primary();
    set(&engine, 1, &[b"innocent"]);
    set(&engine, 2, &[&0_u64.to_le_bytes()]);
    set(&engine, 3, &[]);
    for tag in 0..5_000_u64 {
        engine.invalidate_tag(0, &tag.to_le_bytes(), NOW).unwrap();
    }
    engine.validate(0).unwrap();
    assert!(engine.inspect().memory.tags_bytes < 200 << 10);
    assert_eq!([1, 2, 3].map(|key| has(&engine, key)), [false, false, true]);
    set(&engine, 4, &[b"innocent"]);
    assert!(has(&engine, 4), "what is younger is not touched");
}

#[test]
fn copies_come_to_the_same_by_log_and_by_snapshot() {
    let feed = Feed::new(1);
    let by_log = engine(1, MEMORY_BYTES, shoal_engine::Eviction::S3Fifo);
    by_log.open_follower(0).unwrap();
    for key in 0..100 {
        set(&feed.engine, key, &[&[key as u8 % 3]]);
    }
    feed.bring(&by_log, 0, 300).unwrap();
    feed.engine.invalidate_tag(0, &[1], NOW).unwrap();
    set(&feed.engine, 1, &[&[1]]);
    feed.bring(&by_log, 0, 300).unwrap();
    let by_snapshot = engine(1, MEMORY_BYTES, shoal_engine::Eviction::S3Fifo);
    by_snapshot.open_follower(0).unwrap();
    feed.restore(&by_snapshot, 0);
    for copy in [&by_log, &by_snapshot] {
        for key in 0..100 {
            let expected = key == 1 || key % 3 != 1;
            assert_eq!(has(copy, key), expected, "key {key}");
        }
        assert_eq!(copy.position(0), feed.engine.position(0));
        sweep(copy);
        copy.promote(0, 9).unwrap();
        // Its own invalidations go on from there.
        copy.invalidate_tag(0, &[2], NOW).unwrap();
        assert_eq!([0, 1, 2].map(|key| has(copy, key)), [true, true, false]);
        copy.validate(0).unwrap();
    }
    assert_eq!(
        by_snapshot.stats().entries,
        68,
        "what was void was not sent"
    );
}

#[test]
fn no_memory_is_no_reason_to_show_what_is_void() {
    let engine = engine(1, 40 << 10, shoal_engine::Eviction::None);
    engine.open(0, 1).unwrap();
    set(&engine, 0, &[b"a"]);
    let full = (1..).find(|key: &u64| {
        let write = Write {
            value: b"0123456789",
            ..Write::default()
        };
        engine.set(0, &key.to_le_bytes(), write, NOW) == Err(Refused::MemoryFull)
    });
    assert!(full.is_some());
    engine.invalidate_tag(0, b"a", NOW).unwrap();
    assert!(!has(&engine, 0));
    engine.validate(0).unwrap();
}

#[test]
fn what_is_no_tag_is_refused() {
    let engine = primary();
    for (tag, why) in [
        (&b""[..], BadTags::Empty),
        (&[7; 129], BadTags::TooLong(129)),
    ] {
        let refused = engine.invalidate_tag(0, tag, NOW);
        assert_eq!(refused, Err(Refused::BadTag(why)));
    }
    assert_eq!(engine.position(0).unwrap().seq, 0);
}
