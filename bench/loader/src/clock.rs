//! The clocks: of the machine, of this process, of the server's process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The kernel gives smaller ids.
const PID_LIMIT: i32 = 1 << 22;

/// Since the machine's boot, suspension included.
pub(crate) fn boottime() -> Duration {
    duration(clock_gettime(ClockId::Boottime))
}

/// User and system time of this process.
pub(crate) fn own_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// User and system time of another process so far: all its threads, those that have
/// ended too, in nanoseconds where `/proc` has ticks. Zero for `pid` 0.
pub(crate) fn cpu_of(pid: i32) -> Result<Duration, String> {
    if pid == 0 {
        return Ok(Duration::ZERO);
    }
    let nobody = || format!("--server-pid {pid}: no process has this id");
    // Beyond these, the number of the clock would be that of another.
    if !(1..PID_LIMIT).contains(&pid) {
        return Err(nobody());
    }
    // As the kernel numbers the CPU clock of a process (`clock_getcpuclockid`).
    let clock = (!pid << 3) | 2;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the call to write to; a clock that does not
    // exist is answered with an error.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    if failed {
        return Err(nobody());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn duration(time: rustix::time::Timespec) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::{cpu_of, own_cpu};

    #[test]
    fn a_process_sees_the_same_time_from_outside() {
        let pid = std::process::id() as i32;
        let (before, outside, after) = (own_cpu(), cpu_of(pid).unwrap(), own_cpu());
        assert!(before <= outside && outside <= after);
    }

    #[test]
    fn nobody_has_no_time() {
        for pid in [i32::MAX, -1] {
            assert!(cpu_of(pid).unwrap_err().contains("no process"), "{pid}");
        }
        assert!(cpu_of(0).unwrap().is_zero());
    }
}
