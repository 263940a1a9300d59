//! The one clock: CLOCK_BOOTTIME, monotonic, and it counts suspension.

use shoal_engine::Now;

/// Where the time comes from. Tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds since the machine started, suspended or not.
    fn boottime_ns(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn boottime_ns(&self) -> u64 {
        boottime_ns()
    }
}

/// `CLOCK_BOOTTIME` in nanoseconds.
#[must_use]
pub fn boottime_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec, and the call writes nothing else.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(answer, 0, "CLOCK_BOOTTIME exists since Linux 2.6.39");
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// The engine's time at this instant.
pub(crate) const fn engine_now(boottime_ns: u64) -> Now {
    Now(boottime_ns / 1_000_000)
}
