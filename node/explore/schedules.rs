//! How a scenario is explored: how many schedules, from which seed, and how one of
//! them is run again.
//!
//! Half of the schedules are drawn evenly; the other half are drawn so that a thread
//! is held back at a few points and all others run past it, which finds most of what
//! needs one long pause at a bad moment (Burckhardt et al., "A randomized scheduler
//! with probabilistic guarantees of finding bugs", ASPLOS 2010).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

/// The seed and the number of schedules of plain `cargo test`.
const SEED: u64 = 0x5_40A1;
const SCHEDULES: usize = 300;
/// Points at which a thread is held back.
const PAUSES: usize = 3;

/// Of each thread of a scenario: a whole node is built on one.
const STACK_BYTES: usize = 1 << 20;

/// Runs `scenario` under many schedules. It must depend on nothing but the schedule.
///
/// `SHOAL_SCHEDULES` and `SHOAL_SEED` change how many and from where; `SHOAL_SCHEDULE`
/// names a file with one schedule that failed, to run that alone.
pub(crate) fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    if let Some(file) = std::env::var_os("SHOAL_SCHEDULE") {
        let text = std::fs::read_to_string(&file).expect("SHOAL_SCHEDULE names a file");
        return run(ReplayScheduler::new_from_encoded(text.trim()), &scenario);
    }
    let seed = number("SHOAL_SEED").unwrap_or(SEED);
    let schedules = number("SHOAL_SCHEDULES").map_or(SCHEDULES, |count| count as usize);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        run(
            RandomScheduler::new_from_seed(seed, schedules.div_ceil(2)),
            &scenario,
        );
        run(
            PctScheduler::new_from_seed(seed, PAUSES, schedules / 2 + 1),
            &scenario,
        );
    }));
    if let Err(panic) = outcome {
        eprintln!("explored from SHOAL_SEED={seed}, SHOAL_SCHEDULES={schedules}");
        resume_unwind(panic);
    }
}

fn run<F: Fn() + Send + Sync + 'static>(
    scheduler: impl Scheduler + Send + 'static,
    scenario: &Arc<F>,
) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    // What shuttle would warn of is said in `sync.rs`: atomics are taken for
    // sequentially consistent.
    config.silence_warnings = true;
    let scenario = Arc::clone(scenario);
    Runner::new(scheduler, config).run(move || scenario());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")),
    )
}
