//! Fill leases under many threads: one loads, and nobody sleeps on.

#[path = "../../bell.rs"]
mod bell;
#[path = "../../schedules.rs"]
mod schedules;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use bell::Bell;
use schedules::explore;
use shoal_engine::{
    Engine, Eviction, FillAsk, FillBounds, FillToken, Filled, Now, Refused, SetOutcome, Settings,
    Turn, Version, Write,
};
use shuttle::sync::Mutex;
use shuttle::thread;

const KEY: &[u8] = b"key";
const NOW: Now = Now(1000);

fn engine() -> Arc<Engine> {
    let engine = Engine::new(Settings {
        partition_count: 1,
        maxmemory_bytes: 1 << 20,
        eviction: Eviction::S3Fifo,
        key_bytes_max: 64,
        value_bytes_max: 64,
        hash_seed: 5,
    });
    engine.open(0, 1).unwrap();
    Arc::new(engine)
}

fn ask(secret: u64) -> FillAsk {
    FillAsk {
        lease_ms: 100,
        waits: true,
        holder: 1,
        secret,
        bounds: FillBounds {
            partition_leases_max: 4,
            leases_max: 4,
            waiters_max: 8,
        },
        fresh_only: false,
        refresh_only: false,
        early_permille: 0,
    }
}

/// Waits for a token. None: there is a value.
fn token(engine: &Engine, secret: u64) -> Option<FillToken> {
    let ask = ask(secret);
    loop {
        let number = match engine.get_or_fill(0, KEY, &ask, NOW, |_| ()).unwrap() {
            Filled::Found(()) => return None,
            Filled::Given(token) => return Some(token),
            Filled::Waits(number) => number,
            told => panic!("nobody asks for {told:?}"),
        };
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            match engine.fill_turn(0, KEY, number, &ask, &waker) {
                Turn::Given(token) => return Some(token),
                Turn::Over => break,
                Turn::Waits => bell.wait(),
            }
        }
    }
}

fn fill(engine: &Engine, token: FillToken) -> Result<Version, Refused> {
    let write = Write {
        value: b"v",
        ttl_ms: 0,
        absent: false,
        condition: None,
        ..Write::default()
    };
    let stored = engine.fill(0, KEY, write, token, None, NOW)?;
    match stored.outcome {
        SetOutcome::Applied(version) => Ok(version),
        SetOutcome::NotApplied(_) => panic!("no condition"),
    }
}

fn on_threads(count: u64, run: impl Fn(u64) + Send + Sync + 'static) {
    let run = Arc::new(run);
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let run = Arc::clone(&run);
            thread::spawn(move || run(number))
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Of three who miss at once one loads, and all come to an end.
#[test]
fn one_loads_and_everyone_is_woken() {
    explore(|| {
        let engine = engine();
        let loads = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&engine), Arc::clone(&loads));
        on_threads(3, move |secret| {
            if let Some(token) = token(&shared, secret) {
                counted.fetch_add(1, Ordering::Relaxed);
                fill(&shared, token).unwrap();
            }
        });
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        let counts = engine.fill_counts();
        assert_eq!((counts.leases, counts.waiters, counts.given), (0, 0, 1));
        engine.validate(0).unwrap();
    });
}

/// A delete while others load and wait: what was read before it is not stored after it,
/// and the next in line loads again.
#[test]
fn a_delete_voids_the_token_and_the_next_in_line_loads() {
    explore(|| {
        let engine = engine();
        let shared = Arc::clone(&engine);
        let (begun, seq) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let stored = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&stored);
        on_threads(3, move |number| {
            if number == 0 {
                begun.store(1, Ordering::SeqCst);
                let deleted = shared.delete(0, KEY, NOW).unwrap().version;
                seq.store(deleted.seq as usize, Ordering::SeqCst);
                log.lock().unwrap().push((None, deleted.seq));
                return;
            }
            while let Some(token) = token(&shared, number) {
                // Whatever is loaded now is of before a delete that has not begun.
                let is_old = begun.load(Ordering::SeqCst) == 0;
                let is_deleted = seq.load(Ordering::SeqCst) > 0;
                match fill(&shared, token) {
                    Ok(version) => {
                        log.lock().unwrap().push((Some(is_old), version.seq));
                        break;
                    }
                    Err(refused) => {
                        assert_eq!(refused, Refused::TokenVoid);
                        assert!(!is_deleted, "nothing came between");
                    }
                }
            }
        });
        let stored = stored.lock().unwrap();
        let deleted = stored.iter().find(|it| it.0.is_none()).unwrap().1;
        let is_wrong = |it: &&(Option<bool>, u64)| it.0 == Some(true) && it.1 > deleted;
        assert_eq!(stored.iter().find(is_wrong), None);
        let counts = engine.fill_counts();
        assert_eq!((counts.leases, counts.waiters), (0, 0));
        engine.validate(0).unwrap();
    });
}

/// Who leaves at the moment when it is its turn passes that on.
#[test]
fn who_leaves_takes_no_turn_with_it() {
    explore(|| {
        let engine = engine();
        let first = token(&engine, 9).unwrap();
        let Filled::Waits(number) = engine.get_or_fill(0, KEY, &ask(8), NOW, |_| ()).unwrap()
        else {
            panic!("the first loads");
        };
        let shared = Arc::clone(&engine);
        on_threads(3, move |role| match role {
            0 => assert!(shared.release_fill(0, KEY, first, None, NOW)),
            1 => shared.leave_fill(0, KEY, number, false, NOW),
            _ => {
                let token = token(&shared, role).unwrap();
                fill(&shared, token).unwrap();
            }
        });
        let counts = engine.fill_counts();
        assert_eq!((counts.leases, counts.waiters), (0, 0));
    });
}
