"""Looks at the running cluster, over and over: metrics of every node, the topology of one.

I/O only; what it means is decided in ``readiness.py`` and ``picture.py``. All nodes
are asked at the same time, so that one that does not answer costs one timeout.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self
from urllib.request import OpenerDirector

from shoal.cli.figures import Rates, Reading, figures, rates
from shoal.cli.ownership import Ownership
from shoal.cli.up.picture import NodeSight, Picture, picture
from shoal.cli.up.plan import ClusterPlan, NodePlan
from shoal.cli.up.probes import NodeProbe, http_text, opener
from shoal.cli.up.readiness import Observation
from shoal.cli.up.supervised import ProcessState, Running

ANSWER_SECONDS_MAX = 0.8
RATE_READINGS = 4
"""Rates are taken over so many readings, the first against the last."""


class Watcher:
    """Of the nodes of one plan."""

    def __init__(self, plan: ClusterPlan) -> None:
        self._plan = plan
        own = plan.certificates
        authority = None if own is None else own.authority
        self._probes = {node.id: NodeProbe(node.address, authority) for node in plan.nodes}
        trusting = None if authority is None else ssl.create_default_context(cafile=authority)
        self._by = opener(trusting)
        self._readings: dict[str, tuple[int, deque[Reading]]] = {}
        self._threads = ThreadPoolExecutor(max_workers=min(16, len(plan.nodes)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for probe in self._probes.values():
            probe.close()

    def observe(self, states: Mapping[str, ProcessState]) -> Observation:
        """What readiness is decided from."""
        ids = self._running(states)
        answers = self._threads.map(
            lambda node: self._probes[node].is_serving(ANSWER_SECONDS_MAX), ids
        )
        serving = frozenset(node for node, serves in zip(ids, answers, strict=True) if serves)
        return Observation(dict(states), serving, self._ownership(sorted(serving)))

    def look(self, states: Mapping[str, ProcessState]) -> Picture:
        """What is shown."""
        nodes = [node for node in self._plan.nodes if isinstance(states[node.id], Running)]
        readings = list(self._threads.map(partial(_read, self._by), nodes))
        sights = {
            node.id: self._sight(node.id, states[node.id], reading)
            for node, reading in zip(nodes, readings, strict=True)
        }
        answering = [node.id for node in nodes if sights[node.id].reading is not None]
        return picture(self._plan, states, sights, self._ownership(answering))

    def _running(self, states: Mapping[str, ProcessState]) -> list[str]:
        return [node.id for node in self._plan.nodes if isinstance(states[node.id], Running)]

    def _ownership(self, answering: list[str]) -> Ownership | None:
        for node in answering:
            ownership = self._probes[node].ownership(ANSWER_SECONDS_MAX)
            if ownership is not None:
                return ownership
        return None

    def _sight(self, node: str, state: ProcessState, reading: Reading | None) -> NodeSight:
        if reading is None or not isinstance(state, Running):
            return NodeSight(None, Rates(None, None))
        pid, readings = self._readings.get(node, (0, deque[Reading]()))
        if pid != state.pid:
            readings = deque(maxlen=RATE_READINGS)
            self._readings[node] = (state.pid, readings)
        readings.append(reading)
        return NodeSight(reading, rates(readings[0], reading))


def _read(by: OpenerDirector, node: NodePlan) -> Reading | None:
    text = http_text(node.metrics_url, ANSWER_SECONDS_MAX, by)
    now_seconds = time.monotonic()
    found = None if text is None else figures(text)
    return None if found is None else Reading(now_seconds, found)
