"""A cluster that is operated by the command line, under a load that verifies it."""

from __future__ import annotations

import json
import math
import re
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tools.soak.checks.judge import ADD, COUNTER, PRIMARY_ADD, SESSION, Judged, judge
from tools.soak.cluster import Cluster, Program
from tools.soak.history import History, Kind, Operation, Outcome, write_history
from tools.soak.workload import Load, Workload

import shoal as shoal_client
from shoal.cli.app import shoal
from shoal_coordinator.registry.view import ClusterView

COPIES = 2
_BALLAST_VALUES = 240
_ANSWER_SECONDS = 20.0
_BALLAST_BYTES = 100_000


@dataclass
class Verified:
    """A load that went on for a while, and what it found."""

    history: History = field(default_factory=list)
    judged: Judged = field(default_factory=Judged)

    @property
    def errors(self) -> Counter[str]:
        """Of calls as applications make them, which try again by themselves: by reason.

        The other calls have one attempt, so that what is judged is what one attempt did.
        """
        return Counter(
            one.why for one in self.history if one.outcome is not Outcome.OK and _tries_again(one)
        )


def _tries_again(one: Operation) -> bool:
    if one.key.startswith(COUNTER):
        return one.kind is Kind.INCR
    return one.key.startswith((ADD, PRIMARY_ADD, SESSION))


class OperatedCluster:
    """``cluster`` by the commands that an operator has, and by what etcd says."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder

    @property
    def view(self) -> ClusterView:
        return self.cluster.chronicle.view

    # Commands.

    def run(self, *arguments: str, exit_code: int | None = 0) -> Result:
        """One command; it must end with this code. None: any.

        At a coordinator that answers: one may have been killed, or just been started.
        """
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            for program in self.cluster.coordinators:
                address = str(self.cluster.addresses[program.name])
                answer = CliRunner().invoke(shoal, [*arguments, "-c", address])
                if "no coordinator" not in answer.stderr:
                    assert exit_code in {None, answer.exit_code}, (arguments, answer.output)
                    return answer
            assert time.monotonic() < deadline, f"no coordinator answers: {answer.stderr}"

    def told(self, *arguments: str, exit_code: int | None = 0) -> dict[str, Any]:
        answer = self.run(*arguments, "-o", "json", exit_code=exit_code)
        told: dict[str, Any] = json.loads(answer.stdout)
        return told

    def node(self, name: str) -> dict[str, Any]:
        """As `shoal node list` has it; empty where it is not listed."""
        return next((it for it in self.told("node", "list")["nodes"] if it["id"] == name), {})

    def until(self, state: Callable[[], bool], what: str, within_seconds: float = 60.0) -> None:
        deadline = time.monotonic() + within_seconds
        while not state():
            assert time.monotonic() < deadline, f"not within {within_seconds:.0f} s: {what}"
            time.sleep(0.05)

    # Processes.

    def start(self, name: str) -> None:
        if name not in self.cluster.nodes:
            self.cluster.add_node(name)
        if not self.cluster.nodes[name].is_running:
            self.cluster.nodes[name].start()

    def leader(self) -> Program:
        view = self.cluster.chronicle.until(lambda it: it.leader is not None, "a leader")
        assert view.leader is not None
        return next(it for it in self.cluster.coordinators if it.name == view.leader.leader.id)

    # What etcd says.

    def served_by(self, node: str) -> int:
        return len(self.cluster.primaries(node))

    def copies_on(self, node: str) -> int:
        return sum(
            any(copy.node == node for copy in held.record.in_sync)
            for held in self.view.partitions.values()
        )

    def is_settled(self, view: ClusterView) -> bool:
        """Everything is served where it is wanted, and the wanted copies are those in sync."""
        return all(
            view.primary_is_live(it.record)
            and it.record.primary is not None
            and it.record.handoff_to is None
            and it.record.primary.node == it.record.preference[0]
            and {copy.node for copy in it.record.in_sync} == {*it.record.preference[:COPIES]}
            for it in view.partitions.values()
        )

    def wait_until_settled(self, *nodes: str) -> None:
        """And balanced over these nodes, which have the same weights."""
        count = self.cluster.shape.partitions

        def is_balanced(view: ClusterView) -> bool:
            primaries = Counter(it.record.preference[0] for it in view.partitions.values())
            fair = count / len(nodes)
            return set(primaries) == set(nodes) and all(
                math.floor(0.9 * fair) <= it <= math.ceil(1.05 * fair) for it in primaries.values()
            )

        self.cluster.chronicle.until(
            lambda view: self.is_settled(view) and is_balanced(view),
            f"everything settled and balanced over {', '.join(nodes)}",
            120.0,
        )

    # Load.

    def fill(self) -> None:
        """So much that moves take a while at a bounded rate."""
        with shoal_client.Client(self.cluster.seeds, timeout="5s") as client:
            for number in range(_BALLAST_VALUES):
                client.set(f"ballast:{number}", number.to_bytes(4, "big") * (_BALLAST_BYTES // 4))

    def is_all_there(self) -> bool:
        with shoal_client.Client(self.cluster.seeds, timeout="5s") as client:
            return all(
                client.get(f"ballast:{number}") == number.to_bytes(4, "big") * (_BALLAST_BYTES // 4)
                for number in range(_BALLAST_VALUES)
            )

    @contextmanager
    def verified(self, name: str, *, with_failures: bool) -> Iterator[Verified]:
        """A load for as long as the block takes; afterwards everything is read and judged."""
        seed = zlib.crc32(name.encode())
        load = Load(
            name,
            seed,
            operations_per_second=300,
            once_timeout="400ms" if with_failures else "5s",
            persistent_timeout="1500ms" if with_failures else "5s",
        )
        workload = Workload(self.cluster.seeds, load)
        found = Verified()
        try:
            workload.start()
            yield found
            found.history = workload.stop()
            assert workload.operations_per_second > 100, "too little to show anything"
            found.history += workload.read_everything()
        finally:
            workload.close()
        found.judged = judge(found.history, losses_allowed=with_failures)
        if found.judged.anomalies or found.judged.undecided:
            write_history(self._folder / f"{name}.jsonl", found.history)
        assert found.judged.anomalies == []
        assert found.judged.undecided == []

    def snapshot_bytes(self) -> int:
        """Sent by all nodes that live, as they count it."""
        total = 0
        for live in self.view.nodes.values():
            with urllib.request.urlopen(live.registration.metrics_url, timeout=10) as answer:
                text = answer.read().decode()
            found = re.search(
                r"^shoal_replication_snapshot_bytes_total ([0-9.e+]+)$", text, re.MULTILINE
            )
            assert found is not None
            total += int(float(found[1]))
        return total
