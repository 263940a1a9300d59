//! A request that counts once: on its primary, and on who takes over from it.

mod support;

use shoal_engine::{Engine, Eviction, Increment, RequestId, SetOutcome, Version};
use support::feed::{Feed, NOW, engine, value};

const ID: &[u8] = b"one id";

/// The version, and whether it was the one of before.
fn set(engine: &Engine, key: &[u8]) -> (Version, bool) {
    let once = engine
        .set_once(0, key, value(b"v"), RequestId::new(ID), NOW)
        .unwrap();
    let SetOutcome::Applied(version) = once.outcome else {
        panic!("there is no condition");
    };
    (version, once.repeated)
}

/// The sum, and whether it was the one of before.
fn incr(engine: &Engine, key: &[u8]) -> (i64, bool) {
    let add = Increment {
        delta: 5,
        initial: 0,
        ttl_ms: 0,
    };
    let once = engine
        .incr_once(0, key, add, RequestId::new(ID), NOW)
        .unwrap();
    (once.outcome.value, once.repeated)
}

fn seq(engine: &Engine) -> u64 {
    engine.position(0).unwrap().seq
}

#[test]
fn with_another_key_it_is_another_request() {
    let engine = engine(1, 1 << 20, Eviction::S3Fifo);
    engine.open(0, 1).unwrap();
    let (first, _) = set(&engine, b"a");
    let (second, repeated) = set(&engine, b"b");
    assert!(!repeated && second != first);
    assert_eq!(incr(&engine, b"c"), (5, false));
    assert_eq!(incr(&engine, b"d"), (5, false));
    let applied = seq(&engine);
    assert_eq!(set(&engine, b"a"), (first, true));
    assert_eq!(set(&engine, b"b"), (second, true));
    assert_eq!(incr(&engine, b"c"), (5, true));
    assert_eq!(incr(&engine, b"d"), (5, true));
    assert_eq!((seq(&engine), applied), (4, 4));
    // As another kind of operation too.
    assert!(!set(&engine, b"c").1);
    assert!(set(&engine, b"c").1 && incr(&engine, b"c").1);
    engine.validate(0).unwrap();
}

fn after_a_promotion(bring: impl Fn(&Feed, &Engine)) {
    let (feed, follower) = (Feed::new(1), engine(1, 1 << 20, Eviction::S3Fifo));
    let first = set(&feed.engine, b"a").0;
    let second = set(&feed.engine, b"b").0;
    assert_eq!(incr(&feed.engine, b"n"), (5, false));
    follower.open_follower(0).unwrap();
    bring(&feed, &follower);
    follower.promote(0, 2).unwrap();
    let applied = seq(&follower);
    assert_eq!(set(&follower, b"a"), (first, true));
    assert_eq!(set(&follower, b"b"), (second, true));
    assert_eq!(incr(&follower, b"n"), (5, true));
    assert_eq!(seq(&follower), applied);
    assert_eq!(incr(&follower, b"m"), (5, false));
    follower.validate(0).unwrap();
}

#[test]
fn the_log_tells_a_follower_of_each() {
    after_a_promotion(|feed, follower| feed.bring(follower, 0, 10).unwrap());
}

#[test]
fn a_snapshot_tells_a_follower_of_each() {
    after_a_promotion(|feed, follower| feed.restore(follower, 0));
}

/// What was stored is given up where there is no room for it; that it was asked is not.
#[test]
fn a_follower_without_room_for_the_value_remembers_the_request() {
    let (feed, follower) = (Feed::new(1), engine(1, 64 << 10, Eviction::S3Fifo));
    let large = vec![1; 60 << 10];
    let id = RequestId::new(ID);
    let once = feed.engine.set_once(0, b"large", value(&large), id, NOW);
    let outcome = once.unwrap().outcome;
    follower.open_follower(0).unwrap();
    feed.bring(&follower, 0, 1000).unwrap();
    assert_eq!(follower.get(0, b"large", NOW, |_| ()), Ok(None));
    follower.promote(0, 2).unwrap();
    let again = follower.set_once(0, b"large", value(&large), id, NOW);
    let again = again.unwrap();
    assert_eq!((again.outcome, again.repeated), (outcome, true));
}
