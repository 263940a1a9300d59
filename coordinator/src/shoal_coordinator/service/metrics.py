"""Prometheus metrics of a coordinator, computed from its view when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal_coordinator.alarms.alarm import Alarm
from shoal_coordinator.errors import CannotListen
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import LIVE, READY, HttpServer, answer_whether
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.registry.records import MemberState
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.status import Tally, tally


class Metrics(Collector):
    """All of these are asked from the thread that serves metrics.

    ``alarms`` tells none while another coordinator leads.
    """

    def __init__(
        self,
        view: Callable[[], ClusterView | None],
        is_leader: Callable[[], bool],
        alarms: Callable[[], Iterable[Alarm]] = tuple,
    ) -> None:
        self._view = view
        self._is_leader = is_leader
        self._alarms = alarms
        self._actions: Counter[str] = Counter()

    @property
    def is_ready(self) -> bool:
        """Whether a view of the registry is there."""
        return self._view() is not None

    def carried_out(self, kind: str, number: int) -> None:
        self._actions[kind] += number

    def collect(self) -> Iterator[Metric]:
        view = self._view()
        counts = Tally(0, 0, 0) if view is None else tally(view)
        yield _gauge("leader", "1 while this coordinator leads", int(self._is_leader()))
        yield _gauge("ready", "1 once a view of the registry is there", int(view is not None))
        yield _gauge("live_nodes", "Nodes that are registered", len(view.nodes) if view else 0)
        members = GaugeMetricFamily(
            "shoal_coordinator_members", "Members by state", labels=["state"]
        )
        states = Counter(member.state for member in view.members.values()) if view else Counter()
        for state in MemberState:
            members.add_metric([state], states[state])
        yield members
        yield _gauge("unserved_partitions", "Partitions without a live primary", counts.unserved)
        yield _gauge(
            "misplaced_partitions",
            "Partitions whose primary is not the one that the ring wants",
            counts.misplaced,
        )
        yield _gauge(
            "under_replicated_partitions",
            "Partitions with fewer copies in sync than are wanted",
            counts.under_replicated,
        )
        yield _gauge("handoffs", "Partitions on their way to another node", counts.handoffs)
        actions = CounterMetricFamily(
            "shoal_coordinator_actions", "Actions carried out, by kind", labels=["kind"]
        )
        for kind, number in sorted(self._actions.items()):
            actions.add_metric([kind], number)
        yield actions
        yield from _of_alarms(self._alarms())


def serve_metrics(metrics: Metrics, listen: HostPort, tls: LiveTls | None = None) -> HttpServer:
    """Serve text at ``/metrics``, and whether it is alive and ready. Raises CannotListen."""
    registry = prometheus_client.CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    prometheus_client.ProcessCollector(registry=registry)
    text = prometheus_client.make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path in (LIVE, READY):
            return answer_whether(start_response, holds=path == LIVE or metrics.is_ready)
        told: Iterable[bytes] = text(environ, start_response)
        return told

    try:
        return HttpServer(listen, app, tls)
    except OSError as error:
        raise CannotListen(
            f"--metrics-listen {listen} cannot be bound ({error.strerror}); take another"
        ) from error


def _of_alarms(alarms: Iterable[Alarm]) -> Iterator[Metric]:
    value = GaugeMetricFamily(
        "shoal_coordinator_alarm_value", "What an alarm goes by", labels=["alarm"]
    )
    level = GaugeMetricFamily(
        "shoal_coordinator_alarm_level",
        "0: fine, 1: warning, 2: critical, 3: not known",
        labels=["alarm"],
    )
    threshold = GaugeMetricFamily(
        "shoal_coordinator_alarm_threshold",
        "The value from which on an alarm is raised",
        labels=["alarm", "level"],
    )
    for alarm in alarms:
        level.add_metric([alarm.name], alarm.level)
        if alarm.value is not None:
            value.add_metric([alarm.name], alarm.value)
        for name, start in (
            ("warning", alarm.thresholds.warning_from),
            ("critical", alarm.thresholds.critical_from),
        ):
            if start is not None:
                threshold.add_metric([alarm.name, name], start)
    yield from (value, level, threshold)


def _gauge(name: str, documentation: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"shoal_coordinator_{name}", documentation, value=value)
