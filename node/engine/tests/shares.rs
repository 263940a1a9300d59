//! Who gives memory where primaries and followers share a node: primaries' partitions first
//! while they hold more than their share by count, else followers'.

mod support;

use shoal_engine::{Engine, Eviction};
use support::feed::{Feed, NOW, engine, value};

const MAXMEMORY_BYTES: usize = 4 << 20;
/// 0 and 1 are primaries, 2 and 3 follow.
const PARTITIONS: u32 = 4;
const VALUE: [u8; 1000] = [7; 1000];

fn node(eviction: Eviction) -> Engine {
    let engine = engine(PARTITIONS, MAXMEMORY_BYTES, eviction);
    for partition in 0..2 {
        engine.open(partition, 1).unwrap();
        engine.open_follower(partition + 2).unwrap();
    }
    engine
}

fn write(engine: &Engine, keys: std::ops::Range<u64>) {
    for key in keys {
        let partition = (key % 2) as u32;
        engine
            .set(partition, &key.to_le_bytes(), value(&VALUE), NOW)
            .unwrap();
    }
}

/// The followers are sent so much.
fn follow(feed: &Feed, engine: &Engine, keys: std::ops::Range<u64>) {
    for key in keys {
        feed.set(2 + (key % 2) as u32, key, &VALUE);
    }
    for partition in 2..4 {
        feed.bring(engine, partition, 20_000).unwrap();
    }
}

fn evicted(engine: &Engine) -> [u64; PARTITIONS as usize] {
    let inspection = engine.inspect();
    std::array::from_fn(|at| inspection.partitions[at].evicted)
}

/// What primaries and followers hold, in hundredths of all.
fn held(engine: &Engine) -> [u64; 2] {
    let held: Vec<u64> = engine
        .inspect()
        .partitions
        .iter()
        .map(|it| it.memory_bytes)
        .collect();
    let sums = [held[0] + held[1], held[2] + held[3]];
    sums.map(|sum| sum * 100 / (sums[0] + sums[1]))
}

fn validate(engine: &Engine) {
    assert!(engine.used_bytes() <= engine.limit_bytes());
    for partition in 0..PARTITIONS {
        engine.validate(partition).unwrap();
    }
}

#[test]
fn primaries_above_their_share_give_and_followers_keep_all() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let (engine, feed) = (node(eviction), Feed::new(PARTITIONS));
        // Older than all that the primaries will have, and less than half.
        follow(&feed, &engine, 0..1000);
        write(&engine, 0..20_000);
        let evicted = evicted(&engine);
        assert!(evicted[0] > 5000 && evicted[1] > 5000, "{evicted:?}");
        assert_eq!(evicted[2..], [0, 0], "{eviction:?}");
        for key in 0..1000_u64 {
            let found = engine.get(2 + (key % 2) as u32, &key.to_le_bytes(), NOW, |_| ());
            assert_eq!(found, Ok(Some(())));
        }
        validate(&engine);
    }
}

#[test]
fn followers_give_while_primaries_hold_less_than_their_share() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let (engine, feed) = (node(eviction), Feed::new(PARTITIONS));
        // Older than all that the followers will be sent.
        write(&engine, 0..1000);
        follow(&feed, &engine, 0..20_000);
        let evicted = evicted(&engine);
        assert!(evicted[2] > 5000 && evicted[3] > 5000, "{evicted:?}");
        assert_eq!(evicted[..2], [0, 0], "{eviction:?}");
        for partition in 2..4 {
            assert_eq!(engine.position(partition), feed.engine.position(partition));
        }
        validate(&engine);
    }
}

/// Both want more than there is: neither pushes out the other.
#[test]
fn under_pressure_from_both_each_comes_to_its_share() {
    for eviction in [Eviction::S3Fifo, Eviction::Lru, Eviction::Lfu] {
        let (engine, feed) = (node(eviction), Feed::new(PARTITIONS));
        write(&engine, 0..6000);
        assert!(held(&engine)[0] > 90);
        for round in 0..30 {
            follow(&feed, &engine, round * 400..(round + 1) * 400);
            write(&engine, 6000 + round * 400..6000 + (round + 1) * 400);
        }
        let held = held(&engine);
        assert!(
            held.iter().all(|part| (40..=60).contains(part)),
            "{eviction:?}: {held:?}"
        );
        validate(&engine);
    }
}

/// A promoted follower counts as what it is from then on.
#[test]
fn promotion_moves_a_partition_to_the_other_side() {
    let (engine, feed) = (node(Eviction::Lru), Feed::new(PARTITIONS));
    follow(&feed, &engine, 0..1000);
    engine.promote(2, 2).unwrap();
    engine.promote(3, 2).unwrap();
    write(&engine, 0..20_000);
    let evicted = evicted(&engine);
    // Nobody follows any more: who has waited longest goes.
    assert_eq!(evicted[2..], [500, 500], "{evicted:?}");
    validate(&engine);
}

/// A place whose follower was closed serves as a primary's.
#[test]
fn a_closed_follower_leaves_nothing_behind() {
    let (engine, feed) = (node(Eviction::Lru), Feed::new(PARTITIONS));
    follow(&feed, &engine, 0..1000);
    for partition in 2..4 {
        engine.close(partition);
        engine.open(partition, 5).unwrap();
        let key = 7_u64.to_le_bytes();
        engine.set(partition, &key, value(&VALUE), NOW).unwrap();
    }
    engine.close(0);
    engine.open_follower(0).unwrap();
    for key in 0..20_000_u64 {
        engine
            .set(1, &key.to_le_bytes(), value(&VALUE), NOW)
            .unwrap();
    }
    let evicted = evicted(&engine);
    // They are primaries', and have waited longest.
    assert_eq!(evicted[2..], [1, 1], "{evicted:?}");
    validate(&engine);
}
