//! Fill leases, one property at a time; `fills.rs` has them all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use shoal_engine::{
    Engine, Eviction, FillAsk, FillBounds, Filled, Now, Refused, RequestId, Settings, Turn, Write,
};

const BOUNDS: FillBounds = FillBounds {
    partition_leases_max: 3,
    leases_max: 1000,
    waiters_max: 6,
};

fn engine(maxmemory_bytes: usize) -> Engine {
    let engine = Engine::new(Settings {
        partition_count: 2,
        maxmemory_bytes,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 1 << 16,
        hash_seed: 3,
    });
    engine.open(0, 1).unwrap();
    engine
}

fn write(value: &[u8]) -> Write<'_> {
    Write {
        value,
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    }
}

fn ask(lease_ms: u64, waits: bool) -> FillAsk {
    FillAsk {
        lease_ms,
        waits,
        holder: 1,
        secret: 7,
        bounds: BOUNDS,
        fresh_only: false,
        refresh_only: false,
        early_permille: 0,
    }
}

fn get(engine: &Engine, key: &[u8], ask: &FillAsk, now: Now) -> Filled<Vec<u8>> {
    let read = |entry: shoal_engine::Entry<'_>| entry.value.to_vec();
    engine.get_or_fill(0, key, ask, now, read).unwrap()
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

const NOW: Now = Now(1000);

#[test]
fn a_request_that_was_applied_is_not_refused_for_its_token() {
    let engine = engine(1 << 20);
    let Filled::Given(token) = get(&engine, b"k", &ask(50, true), NOW) else {
        panic!("nobody else loads it");
    };
    let id = RequestId::new(b"once");
    let first = engine.fill(0, b"k", write(b"v"), token, id, NOW).unwrap();
    let again = engine.fill(0, b"k", write(b"v"), token, id, NOW).unwrap();
    assert_eq!(first.outcome, again.outcome);
    assert!(again.repeated);
    let void = engine.fill(0, b"k", write(b"v"), token, None, NOW);
    assert_eq!(void.unwrap_err(), Refused::TokenVoid);
}

#[test]
fn where_memory_is_full_entries_make_room_for_leases() {
    let engine = engine(256 << 10);
    let value = [7; 1000];
    for key in 0..1000_u64 {
        engine
            .set(0, &key.to_le_bytes(), write(&value), NOW)
            .unwrap();
    }
    let before = engine.stats();
    let bounds = FillBounds {
        partition_leases_max: 1000,
        leases_max: 1000,
        waiters_max: 10_000,
    };
    let wide = FillAsk {
        bounds,
        ..ask(50, true)
    };
    for key in 0..20_u64 {
        for caller in 0..50 {
            let told = get(&engine, &(1_000_000 + key).to_le_bytes(), &wide, NOW);
            let is_right = match told {
                Filled::Given(_) => caller == 0,
                Filled::Waits(_) => caller > 0,
                _ => false,
            };
            assert!(is_right, "{told:?}");
        }
    }
    engine.validate(0).unwrap();
    let after = engine.stats();
    assert!(after.evicted > before.evicted);
    assert!(after.memory_bytes <= after.maxmemory_bytes);
    let fills = engine.inspect().memory.fills_bytes;
    assert!(fills > 1000 * 64, "{fills} bytes for a thousand callers");
}

#[test]
fn who_waits_counts_once_as_what_it_was_answered() {
    let engine = engine(1 << 20);
    let asked = ask(50, true);
    let Filled::Given(token) = get(&engine, b"k", &asked, NOW) else {
        panic!("nobody else loads it");
    };
    let Filled::Waits(number) = get(&engine, b"k", &asked, NOW) else {
        panic!("another loads it");
    };
    let Filled::Waits(impatient) = get(&engine, b"k", &asked, NOW) else {
        panic!("another loads it");
    };
    engine.leave_fill(0, b"k", impatient, true, NOW);
    engine.fill(0, b"k", write(b"v"), token, None, NOW).unwrap();
    let turn = engine.fill_turn(0, b"k", number, &asked, Waker::noop());
    assert_eq!(turn, Turn::Over);
    let found = get(&engine, b"k", &asked, NOW);
    assert_eq!(found, Filled::Found(b"v".to_vec()));
    let stats = engine.stats();
    assert_eq!((stats.hits, stats.misses), (1, 1));
}

#[test]
fn an_earlier_end_rings_the_alarm_and_a_later_one_does_not() {
    let engine = engine(1 << 20);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    assert_eq!(engine.next_fill_end(&waker), None);
    get(&engine, b"a", &ask(100, true), NOW);
    assert_eq!(bell.rings(), 1);
    assert_eq!(engine.next_fill_end(&waker), Some(Now(1100)));
    get(&engine, b"b", &ask(200, true), NOW);
    assert_eq!(bell.rings(), 1);
    get(&engine, b"c", &ask(50, true), NOW);
    assert_eq!(bell.rings(), 2);
    assert_eq!(engine.next_fill_end(&waker), Some(Now(1050)));
    engine.end_fills(Now(1050));
    assert_eq!(engine.next_fill_end(&waker), Some(Now(1100)));
    assert_eq!(engine.fill_counts().leases, 2);
}
