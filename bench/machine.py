"""What the machine does beside the measurement: cores, CPU clocks, load, steal. From /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# As the kernel numbers the CPU clock of a process: user and system time, in nanoseconds.
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves, which one loads, and which are left."""

    server: int
    loader: int
    rest: tuple[int, ...]

    @classmethod
    def of(cls, allowed: set[int]) -> Cores:
        if len(allowed) < 2:
            raise ValueError(
                "a benchmark needs two cores, one for the server and one for the load; "
                f"this process may use {len(allowed)}"
            )
        server, loader, *rest = sorted(allowed)
        return cls(server, loader, tuple(rest))


def cores() -> Cores:
    return Cores.of(os.sched_getaffinity(0))


def pin(pid: int, core: int) -> None:
    """Every thread of a process, and those that it will start."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def on_cores(wanted: Iterable[int]) -> Iterator[None]:
    """What is started within may use these cores alone."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(wanted))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all its threads."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int:
    """What a process has in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def peak_resident_bytes(pid: int) -> int:
    """The most that a process ever had in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"the system does not tell the peak of process {pid}")


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of CPU since boot, all cores together, and the load now."""

    at: float
    busy: float
    stolen: float
    load_average: float


def read(stat: str, load_average: str, at: float) -> Reading:
    """Of the texts of /proc/stat and /proc/loadavg. Pure."""
    first = stat.splitlines()[0].split()
    if first[0] != "cpu":
        raise ValueError(f"/proc/stat begins with {first[0]!r}, not with all CPUs")
    ticks = [int(word) for word in first[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    busy = (user + nice + system + irq + softirq) / TICKS_PER_SECOND
    return Reading(at, busy, steal / TICKS_PER_SECOND, float(load_average.split(maxsplit=1)[0]))


def reading() -> Reading:
    return read(Path("/proc/stat").read_text(), Path("/proc/loadavg").read_text(), time.monotonic())


@dataclass(frozen=True, slots=True)
class Interference:
    """What others took of the machine during one measurement, as shares of one core."""

    stolen: float
    others: float
    load_average: float


def interference(before: Reading, after: Reading, own_cpu_seconds: float) -> Interference:
    """``own_cpu_seconds``: of the server and the loader together. Pure."""
    seconds = max(after.at - before.at, 1e-9)
    others = after.busy - before.busy - own_cpu_seconds
    return Interference(
        stolen=max(0.0, (after.stolen - before.stolen) / seconds),
        others=max(0.0, others / seconds),
        load_average=after.load_average,
    )


def description() -> dict[str, str | int]:
    """The machine, for whoever reads the figures later."""
    cpus = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip()
        for line in cpus.splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": os.uname().release,
    }
