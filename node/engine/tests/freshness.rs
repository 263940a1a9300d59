//! Values that are fresh for a while: who refreshes them, when, and that nobody waits.

use std::task::Waker;

use shoal_engine::{
    Engine, Eviction, FillAsk, FillBounds, FillToken, Filled, Now, Refused, Settings, Turn, Write,
    early_permille,
};

const KEY: &[u8] = b"product:42";
const START_MS: u64 = 1_000_000;
const BOUNDS: FillBounds = FillBounds {
    partition_leases_max: 100,
    leases_max: 100,
    waiters_max: 100,
};
const ASK: FillAsk = FillAsk {
    lease_ms: 10_000,
    waits: false,
    fresh_only: false,
    refresh_only: false,
    early_permille: 0,
    holder: 1,
    secret: 7,
    bounds: BOUNDS,
};

fn engine() -> Engine {
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 1 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1 << 16,
        hash_seed: 3,
    });
    engine.open(0, 1).unwrap();
    engine
}

fn at(ms: u64) -> Now {
    Now(START_MS + ms)
}

fn fresh_for_a_minute(value: &[u8]) -> Write<'_> {
    Write {
        value,
        ttl_ms: 600_000,
        fresh_ms: 60_000,
        ..Write::default()
    }
}

/// What is read is whether it is stale.
fn get(engine: &Engine, ask: &FillAsk, ms: u64) -> Filled<bool> {
    let read = engine.get_or_fill(0, KEY, ask, at(ms), |entry| entry.is_stale());
    engine.validate(0).unwrap();
    read.unwrap()
}

fn refresh(engine: &Engine, ask: &FillAsk, ms: u64) -> FillToken {
    match get(engine, ask, ms) {
        Filled::Refresh(true, token) => token,
        other => panic!("it is this one's turn, not {other:?}"),
    }
}

fn store(engine: &Engine, token: FillToken, ms: u64) -> Result<(), Refused> {
    let stored = engine.fill(0, KEY, fresh_for_a_minute(b"new"), token, None, at(ms));
    stored.map(|_| ())
}

/// A value that took 200 ms to load, stored at 200 ms.
fn loaded() -> Engine {
    let engine = engine();
    let Filled::Given(token) = get(&engine, &ASK, 0) else {
        panic!("nobody else loads it");
    };
    store(&engine, token, 200).unwrap();
    engine
}

#[test]
fn a_stale_value_is_served_to_all_and_refreshed_by_one() {
    let engine = loaded();
    assert_eq!(get(&engine, &ASK, 60_199), Filled::Found(false));
    let token = refresh(&engine, &ASK, 60_200);
    for waits in [true, false] {
        let others = get(&engine, &FillAsk { waits, ..ASK }, 60_200);
        assert_eq!(others, Filled::Found(true), "they do not wait");
    }
    let read = engine.get(0, KEY, at(60_200), |entry| {
        (entry.is_stale(), entry.fresh_ms)
    });
    assert_eq!(read, Ok(Some((true, Some(0)))));
    store(&engine, token, 60_300).unwrap();
    assert_eq!(get(&engine, &ASK, 60_300), Filled::Found(false));
    assert_eq!(
        (engine.fill_counts().given, engine.fill_counts().stored),
        (2, 2)
    );
    let stats = engine.stats();
    assert_eq!((stats.hits, stats.misses), (6, 1));
}

#[test]
fn who_refreshes_and_vanishes_is_followed_by_the_next() {
    let engine = loaded();
    let late = refresh(&engine, &ASK, 60_200);
    let ends = 60_200 + ASK.lease_ms;
    assert_eq!(get(&engine, &ASK, ends - 1), Filled::Found(true));
    refresh(&engine, &FillAsk { holder: 2, ..ASK }, ends);
    assert_eq!(store(&engine, late, ends), Err(Refused::TokenVoid));
    engine.release_fills_of(0, 2, at(ends));
    let token = refresh(&engine, &ASK, ends);
    engine.delete(0, KEY, at(ends)).unwrap();
    assert_eq!(store(&engine, token, ends), Err(Refused::TokenVoid));
}

#[test]
fn a_failed_origin_rests_and_the_value_is_served_until_its_end() {
    let engine = loaded();
    let token = refresh(&engine, &ASK, 60_200);
    assert!(engine.release_fill(0, KEY, token, Some(5_000), at(61_000)));
    assert_eq!(store(&engine, token, 61_000), Err(Refused::TokenVoid));
    assert!(!engine.release_fill(0, KEY, token, None, at(61_000)));
    assert_eq!(get(&engine, &ASK, 65_999), Filled::Found(true));
    let token = refresh(&engine, &ASK, 66_000);
    // Who must have a fresh one does not wait for the rest to end.
    assert!(engine.release_fill(0, KEY, token, Some(500_000), at(67_000)));
    let fresh_only = FillAsk {
        fresh_only: true,
        ..ASK
    };
    assert!(matches!(
        get(&engine, &fresh_only, 67_001),
        Filled::Given(_)
    ));
    assert_eq!(get(&engine, &fresh_only, 67_001), Filled::Found(true));
    engine.release_fills_of(0, 1, at(67_001));
    let token = refresh(&engine, &ASK, 67_002);
    assert!(engine.release_fill(0, KEY, token, Some(600_000), at(67_003)));
    // Nor does who finds none.
    assert!(matches!(get(&engine, &ASK, 600_200), Filled::Given(_)));
}

#[test]
fn who_takes_nothing_but_fresh_values_waits_for_the_one_who_loads() {
    let engine = loaded();
    let token = refresh(&engine, &ASK, 60_200);
    let fresh_only = FillAsk {
        fresh_only: true,
        waits: true,
        ..ASK
    };
    let Filled::Waits(number) = get(&engine, &fresh_only, 60_201) else {
        panic!("another loads it");
    };
    let turn = || engine.fill_turn(0, KEY, number, &fresh_only, Waker::noop());
    assert_eq!(turn(), Turn::Waits);
    // The origin has failed one, and is asked again at once: somebody waits.
    assert!(engine.release_fill(0, KEY, token, Some(5_000), at(60_300)));
    let Turn::Given(token) = turn() else {
        panic!("it is its turn");
    };
    store(&engine, token, 60_400).unwrap();
    assert_eq!(get(&engine, &fresh_only, 60_400), Filled::Found(false));
}

#[test]
fn who_asks_to_refresh_alone_is_not_told_to_load_what_is_missing() {
    let engine = engine();
    let refresh_only = FillAsk {
        refresh_only: true,
        ..ASK
    };
    assert_eq!(get(&engine, &refresh_only, 0), Filled::Held);
    assert_eq!((engine.fill_counts().leases, engine.stats().misses), (0, 1));
    let engine = loaded();
    refresh(&engine, &refresh_only, 60_200);
}

#[test]
fn what_is_known_to_be_absent_is_fresh_for_a_while_too() {
    let engine = engine();
    let absent = Write {
        absent: true,
        ..fresh_for_a_minute(b"")
    };
    engine.set(0, KEY, absent, at(0)).unwrap();
    let read = |ms| engine.get(0, KEY, at(ms), |entry| (entry.absent, entry.is_stale()));
    assert_eq!(read(59_999), Ok(Some((true, false))));
    assert_eq!(read(60_000), Ok(Some((true, true))));
    refresh(&engine, &ASK, 60_000);
}

#[test]
fn a_value_is_refreshed_early_by_the_time_its_load_took() {
    let engine = loaded();
    let early = |early_permille| FillAsk {
        early_permille,
        ..ASK
    };
    // It took 200 ms, kept as 208: with 5 times that it is due in the last 1040 ms.
    assert_eq!(
        get(&engine, &early(5_000), 60_200 - 1_041),
        Filled::Found(false)
    );
    let due = get(&engine, &early(5_000), 60_200 - 1_040);
    assert!(matches!(due, Filled::Refresh(false, _)), "{due:?}");
    // What was not loaded under a lease took nobody knows how long.
    engine
        .set(0, KEY, fresh_for_a_minute(b"set"), at(0))
        .unwrap();
    assert_eq!(get(&engine, &early(u64::MAX), 59_999), Filled::Found(false));
}

#[test]
fn a_day_of_a_hot_key_costs_few_loads_and_nobody_waits() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    const LOAD_MS: u64 = 200;
    const READ_EVERY_MS: u64 = 17;
    let engine = engine();
    engine
        .set(0, KEY, fresh_for_a_minute(b"first"), at(0))
        .unwrap();
    let mut drawn = 88_172_645_463_325_252_u64;
    let mut loading: Option<(FillToken, u64)> = None;
    let (mut loads, mut stale) = (0, 0);
    for ms in (0..DAY_MS).step_by(READ_EVERY_MS as usize) {
        if let Some((token, until_ms)) = loading
            && until_ms <= ms
        {
            let stored = engine.fill(0, KEY, fresh_for_a_minute(b"v"), token, None, at(until_ms));
            stored.unwrap();
            loading = None;
        }
        // Xorshift.
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        let ask = FillAsk {
            early_permille: early_permille(1.0, drawn),
            waits: true,
            ..ASK
        };
        let read = engine.get_or_fill(0, KEY, &ask, at(ms), |entry| entry.is_stale());
        match read.unwrap() {
            Filled::Found(is_stale) => stale += u64::from(is_stale),
            Filled::Refresh(is_stale, token) => {
                stale += u64::from(is_stale);
                assert!(loading.is_none(), "one at a time");
                loading = Some((token, ms + LOAD_MS));
                loads += 1;
            }
            other => panic!("somebody has no value at {ms} ms: {other:?}"),
        }
    }
    let least = DAY_MS / 60_000;
    let reads = DAY_MS / READ_EVERY_MS;
    println!("{reads} reads, {loads} loads (least {least}), {stale} of them stale");
    assert!(loads * 10 <= least * 12, "{loads} loads, at least {least}");
    assert!(stale * 1000 < reads, "{stale} of {reads} reads were stale");
    engine.validate(0).unwrap();
}
