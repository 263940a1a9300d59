"""Write monitoring/dashboard.json, for Grafana, from the panels that are listed here.

python tools/dashboard.py            write it
python tools/dashboard.py --check    exit 1 if what is committed differs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "monitoring" / "dashboard.json"

_COLUMNS = 24
_WIDTH = 8
_HEIGHT = 7
# Of one Prometheus, those that the reader chose at the top.
_NODES = '{instance=~"$node"}'
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: each query beside how its lines are named. ``unit`` is Grafana's word."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    says: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, by: str, labels: str = _NODES) -> str:
    return f"sum by ({by}) (rate({metric}{labels}[$__rate_interval]))"


_HITS = _rate("shoal_hits_total", "instance")
_MISSES = _rate("shoal_misses_total", "instance")

_READS_OF_PARTITIONS = " + ".join(
    _rate(f"shoal_partition_{outcome}_total", "instance, partition")
    for outcome in ("hits", "misses")
)


def _quantile(part: str) -> str:
    buckets = _rate("shoal_request_duration_seconds_bucket", "instance, le")
    return f"histogram_quantile({part}, {buckets})"


ROWS = (
    Row(
        "What callers see",
        (
            Panel(
                "Requests", ((_rate("shoal_requests_total", "instance"), "{{instance}}"),), "reqps"
            ),
            Panel(
                "Hit ratio", ((f"{_HITS} / ({_HITS} + {_MISSES})", "{{instance}}"),), "percentunit"
            ),
            Panel(
                "Time of requests",
                (
                    (_quantile("0.5"), "median {{instance}}"),
                    (_quantile("0.99"), "99 % {{instance}}"),
                ),
                "s",
                "In the node, without the socket.",
            ),
            Panel("Failures", ((_rate("shoal_failures_total", "reason"), "{{reason}}"),), "ops"),
            Panel(
                "Operations",
                (
                    (
                        _rate("shoal_operations_total", "operation, outcome"),
                        "{{operation}} {{outcome}}",
                    ),
                ),
                "ops",
            ),
            Panel(
                "Alarms of the leader",
                (("max by (alarm) (shoal_coordinator_alarm_level)", "{{alarm}}"),),
                says="1: warning, 2: critical, 3: not known. `shoal check` says what to do.",
            ),
        ),
    ),
    Row(
        "The database behind",
        (
            Panel(
                "Loads given out",
                (
                    (_rate("shoal_fill_given_total", "instance"), "for a miss {{instance}}"),
                    (_rate("shoal_fill_passed_total", "instance"), "passed on {{instance}}"),
                ),
                "ops",
                "What misses cost the origin, of callers that agree on who loads.",
            ),
            Panel(
                "Callers that wait for a load",
                (
                    (f"shoal_fill_waiters{_NODES}", "callers {{instance}}"),
                    (f"shoal_fill_leases{_NODES}", "loads {{instance}}"),
                ),
                says="Many callers beside few loads is a herd that was held back.",
            ),
            Panel(
                "Loads that came to nothing",
                (
                    (_rate("shoal_fill_void_total", "instance"), "void {{instance}}"),
                    (_rate("shoal_fill_turned_away_total", "instance"), "turned away {{instance}}"),
                    (_rate("shoal_fill_waits_ran_out_total", "instance"), "gave up {{instance}}"),
                ),
                "ops",
            ),
        ),
    ),
    Row(
        "Is the load even?",
        (
            Panel(
                "The busiest partitions",
                (
                    (
                        f"topk(5, {_READS_OF_PARTITIONS})",
                        "{{partition}} on {{instance}}",
                    ),
                ),
                "ops",
            ),
            Panel(
                "The biggest partitions",
                (
                    (
                        f"topk(5, shoal_partition_memory_bytes{_NODES})",
                        "{{partition}} on {{instance}}",
                    ),
                ),
                "bytes",
            ),
            Panel(
                "The hottest key",
                ((f"shoal_hottest_key_operations_per_second{_NODES}", "{{instance}}"),),
                "ops",
                "`shoal hotkeys` names it.",
            ),
        ),
    ),
    Row(
        "Memory",
        (
            Panel(
                "Of the process, and its bound",
                (
                    (f"shoal_memory_bytes{_NODES}", "counted {{instance}}"),
                    (f"process_resident_memory_bytes{_NODES}", "resident {{instance}}"),
                    (f"shoal_maxmemory_bytes{_NODES}", "bound {{instance}}"),
                ),
                "bytes",
            ),
            Panel(
                "By kind",
                ((f"sum by (kind) (shoal_memory_kind_bytes{_NODES})", "{{kind}}"),),
                "bytes",
            ),
            Panel(
                "Entries that went",
                (
                    (_rate("shoal_evicted_total", "instance"), "evicted {{instance}}"),
                    (_rate("shoal_expired_total", "instance"), "expired {{instance}}"),
                    (_rate("shoal_memory_full_total", "instance"), "writes refused {{instance}}"),
                ),
                "ops",
            ),
        ),
    ),
    Row(
        "Copies and who serves",
        (
            Panel(
                "Partitions",
                ((f"sum by (instance, role) (shoal_partitions{_NODES})", "{{role}} {{instance}}"),),
            ),
            Panel(
                "Without all their copies",
                ((f"shoal_under_replicated_partitions{_NODES}", "{{instance}}"),),
            ),
            Panel("Copies behind", ((f"shoal_replica_lag_seconds{_NODES}", "{{instance}}"),), "s"),
            Panel(
                "Leases",
                (
                    (f"shoal_lease_remaining_seconds{_NODES}", "left {{instance}}"),
                    (f"shoal_lease_age_seconds{_NODES}", "age {{instance}}"),
                ),
                "s",
            ),
            Panel(
                "Taken over and handed over",
                (
                    (
                        _rate("shoal_take_overs_total", "instance, with_data"),
                        "taken, data {{with_data}} {{instance}}",
                    ),
                    (_rate("shoal_hand_overs_total", "instance"), "handed over {{instance}}"),
                ),
                "ops",
            ),
            Panel(
                "Sent to copies",
                (
                    (_rate("shoal_replication_log_bytes_total", "instance"), "log {{instance}}"),
                    (
                        _rate("shoal_replication_snapshot_bytes_total", "instance"),
                        "snapshots {{instance}}",
                    ),
                ),
                "Bps",
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return what Grafana imports."""
    return {
        "uid": "shoal",
        "title": "Shoal",
        "tags": ["shoal"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "node",
                    "label": "Node",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": "label_values(shoal_maxmemory_bytes, instance)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": list(_placed()),
    }


def _placed() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in ROWS:
        number += 1
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        top += 1
        for at, panel in enumerate(row.panels):
            number += 1
            line, column = divmod(at * _WIDTH, _COLUMNS)
            place = {"x": column, "y": top + line * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            yield _drawn(panel, number, place)
        top += -(-len(row.panels) * _WIDTH // _COLUMNS) * _HEIGHT


def _drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend, "datasource": _SOURCE}
        for at, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets,
    }


def main() -> None:
    """Write the dashboard, or compare it with what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    wanted = json.dumps(dashboard(), indent=2) + "\n"
    if not parser.parse_args().check:
        FILE.write_text(wanted, "utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != wanted:
        sys.exit(
            "monitoring/dashboard.json is not what tools/dashboard.py says: run `make dashboard`"
        )


if __name__ == "__main__":
    main()
