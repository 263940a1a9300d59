"""The launcher: brings a cluster up, keeps it in the foreground, and brings it down.

Bringing down is leaving ``Supervised``: there is no other path, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from shoal.cli.progress import Tell
from shoal.cli.up import probes
from shoal.cli.up.directory import last_lines, log_of
from shoal.cli.up.failures import StartFailed
from shoal.cli.up.plan import ETCD, ClusterPlan, Ports, Programs, UpOptions, plan
from shoal.cli.up.ports import is_free
from shoal.cli.up.readiness import (
    Lost,
    Observation,
    Ready,
    Waiting,
    assess,
    lost_process,
    part_ready,
)
from shoal.cli.up.supervised import Supervised
from shoal.cli.up.watcher import Watcher

POLL_SECONDS = 0.1
PORT_ATTEMPTS_MAX = 5
LOG_LINES = 15
_STARTING = "starting the cluster"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why the cluster did not come up, and whose logs to show."""

    reason: str
    suspects: tuple[str, ...]

    def with_logs(self, directory: Path) -> str:
        parts = [self.reason]
        for process in self.suspects:
            log = log_of(directory, process)
            lines = last_lines(log, LOG_LINES) or ["(nothing)"]
            parts += [f"the last lines of {log}:", *(f"  {line}" for line in lines)]
        return "\n".join(parts)


class Launcher:
    """Starts the processes of one cluster, drawing new ports where one was lost.

    ``free`` yields free ports; ``say`` takes what happens, in sentences, and ``tell`` how far
    it is.
    """

    def __init__(
        self,
        options: UpOptions,
        programs: Programs,
        supervised: Supervised,
        free: Iterator[int],
        timeout_seconds: float,
        say: Say,
        tell: Tell,
    ) -> None:
        self._options = options
        self._programs = programs
        self._supervised = supervised
        self._timeout_seconds = timeout_seconds
        self._deadline = monotonic() + timeout_seconds
        self._say = say
        self._tell = tell
        self._free = free
        self._ports = Ports.draw(options, self._free)
        self._attempts = 1

    def bring_up(self) -> ClusterPlan:
        """Return the plan that runs, once every node serves and every partition is served.

        Raises UpFailed and Interrupted.
        """
        certificates = self._plan().certificates
        if certificates is not None:
            certificates.make()
        self._start_etcd()
        cluster = self._plan()
        for spec in cluster.specs:
            if spec.name != ETCD:
                self._supervised.start(spec)
        self._say(
            f"starting {len(cluster.coordinators)} coordinators and {len(cluster.nodes)} nodes"
        )
        while (replanned := self._wait_until_ready(cluster)) is not None:
            cluster = replanned
        return cluster

    def _start_etcd(self) -> None:
        self._say(f"starting {ETCD}")
        self._tell(_STARTING, 0.0)
        cluster = self._plan()
        self._supervised.start(cluster.etcd.spec)
        while not probes.etcd_is_healthy(cluster.etcd.url, timeout_seconds=1.0):
            self._check_time(Suspicion(f"{ETCD} is not healthy", (ETCD,)))
            if (lost := lost_process(self._supervised.states)) is not None:
                cluster = self._restart(lost)
            self._supervised.sleep(POLL_SECONDS)

    def _wait_until_ready(self, cluster: ClusterPlan) -> ClusterPlan | None:
        """None: ready. A plan: a process got new ports, look again."""
        with Watcher(cluster) as watcher:
            told: tuple[str, ...] = ()
            while True:
                seen = watcher.observe(self._supervised.states)
                self._tell(_STARTING, part_ready(cluster, seen))
                match assess(cluster, seen):
                    case Ready():
                        self._say_what_was_kept(seen)
                        return None
                    case Lost() as lost:
                        return self._restart(lost)
                    case Waiting(waits_for, suspects):
                        # With the same suspects it is the same wait, at another number.
                        if suspects != told:
                            self._say(waits_for)
                            told = suspects
                        self._check_time(Suspicion(waits_for, suspects))
                self._supervised.sleep(POLL_SECONDS)

    def _say_what_was_kept(self, seen: Observation) -> None:
        """A cluster that is resumed keeps the number that it was created with."""
        count = 0 if seen.ownership is None else seen.ownership.partition_count
        if count != self._options.partitions:
            self._say(
                f"this cluster was created with {count} partitions and keeps them; "
                f"for {self._options.partitions} take a new --data-dir"
            )

    def _restart(self, lost: Lost) -> ClusterPlan:
        """Start a process again whose port was taken meanwhile. Raises StartFailed otherwise."""
        was_its_port = not all(map(is_free, self._ports.by_process[lost.process]))
        if not was_its_port or self._attempts >= PORT_ATTEMPTS_MAX:
            raise self._failed(Suspicion(lost.reason, (lost.process,)))
        self._attempts += 1
        self._say(f"{lost.process} lost its port to another program; taking another")
        self._ports = self._ports.redrawn(lost.process, self._free)
        cluster = self._plan()
        for spec in cluster.specs:
            if spec.name == lost.process:
                self._supervised.start(spec)
        return cluster

    def _check_time(self, suspicion: Suspicion) -> None:
        if monotonic() > self._deadline:
            raise self._failed(
                Suspicion(
                    f"not ready after {self._timeout_seconds:.0f} s: {suspicion.reason}",
                    suspicion.suspects,
                )
            )

    def _failed(self, suspicion: Suspicion) -> StartFailed:
        kept = (
            ""
            if self._options.data_dir
            else "\n(the logs go with the cluster; --data-dir keeps them)"
        )
        return StartFailed(
            f"the cluster did not start: {suspicion.with_logs(self._supervised.directory)}{kept}"
        )

    def _plan(self) -> ClusterPlan:
        return plan(self._options, self._ports, self._programs, self._supervised.directory)
