//! A lock under many threads: who is in alone, and who looks beside whom.
//!
//! The explorer's lock panics if a look comes past it while somebody is in alone.

#[path = "../../schedules.rs"]
mod schedules;

use std::sync::{Arc, Mutex};

use schedules::explore;
use shoal_threads::{Lock, Seats};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;

/// What is written in two steps, so that somebody between them sees it.
#[derive(Default)]
struct Twice(u64, u64);

fn lock(seats: &Arc<Seats>, number: u32) -> Lock<Twice> {
    Lock::new(Twice::default(), Arc::clone(seats), number)
}

/// Of every read, by whichever way: that it is whole, and not older than what was written
/// before it began.
fn read(lock: &Lock<Twice>, least: u64, looks: &AtomicUsize) -> u64 {
    let seen = lock.look(|value| {
        // The seat is taken, and stays so.
        let again = || lock.look(|_| Some(()));
        assert_eq!((again(), again()), (None, None));
        thread::yield_now();
        Some((value.0, value.1))
    });
    looks.fetch_add(usize::from(seen.is_some()), SeqCst);
    let (first, second) = seen.unwrap_or_else(|| {
        let value = lock.lock_to_read();
        thread::yield_now();
        (value.0, value.1)
    });
    assert_eq!(first, second, "somebody wrote meanwhile");
    assert!(first >= least, "it went back");
    first
}

fn on_threads(count: usize, run: impl Fn(usize) + Send + Sync + 'static) {
    let run = Arc::new(run);
    let start = |number| {
        let run = Arc::clone(&run);
        thread::spawn(move || run(number))
    };
    let threads: Vec<_> = (0..count).map(start).collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn readers_are_in_beside_each_other_and_never_beside_a_writer() {
    let (looked, alone) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let counted = (Arc::clone(&looked), Arc::clone(&alone));
    explore(move || {
        let seats = Arc::new(Seats::new(1));
        let lock = Arc::new(lock(&seats, 0));
        let written = Arc::new(AtomicUsize::new(0));
        let looks = Arc::new(AtomicUsize::new(0));
        let (shared, all_looks) = (Arc::clone(&lock), Arc::clone(&looks));
        // Three readers on two seats.
        on_threads(4, move |number| match number {
            0 => {
                for _ in 0..3 {
                    let mut value = shared.lock();
                    value.0 += 1;
                    thread::yield_now();
                    value.1 += 1;
                    written.store(value.1 as usize, SeqCst);
                }
            }
            _ => {
                let mut newest = 0;
                for _ in 0..4 {
                    let least = newest.max(written.load(SeqCst) as u64);
                    newest = read(&shared, least, &all_looks);
                }
            }
        });
        let looks = looks.load(SeqCst);
        assert_eq!(lock.lock().take_looks(), looks, "each look is counted once");
        assert_eq!(lock.lock().take_looks(), 0);
        *counted.0.lock().unwrap() += looks;
        *counted.1.lock().unwrap() += 3 * 4 - looks;
    });
    let (looked, alone): (usize, usize) = (*looked.lock().unwrap(), *alone.lock().unwrap());
    assert!(looked > 100 && alone > 100, "{looked} of {alone} looked");
}

/// Who looks ahead neither waits nor counts, and locks of the same seats are apart.
#[test]
fn a_glance_sees_what_is_whole_and_counts_nothing() {
    explore(|| {
        let seats = Arc::new(Seats::new(2));
        let locks = Arc::new([lock(&seats, 0), lock(&seats, 1)]);
        let shared = Arc::clone(&locks);
        let looks = Arc::new(AtomicUsize::new(0));
        let all_looks = Arc::clone(&looks);
        on_threads(3, move |number| {
            for round in 0..3 {
                let lock = &shared[(number + round) % 2];
                if number == 0 {
                    let mut value = lock.lock();
                    value.0 += 1;
                    thread::yield_now();
                    value.1 += 1;
                } else {
                    lock.glance(|value| {
                        thread::yield_now();
                        assert_eq!(value.0, value.1, "somebody wrote meanwhile");
                        Some(())
                    });
                    read(lock, 0, &all_looks);
                }
            }
        });
        let counted: usize = locks.iter().map(|lock| lock.lock().take_looks()).sum();
        assert_eq!(counted, looks.load(SeqCst));
    });
}
