"""Measurements made up for tests."""

from __future__ import annotations

from bench.finding import Finding, Goal, Row
from bench.machine import Interference
from bench.measured import Measured
from bench.results import Results
from bench.sample import Sample

QUIET = Interference(stolen=0.0, others=0.0, load_average=0.5)


def measured(cpu_us: float, *, loader_share: float = 0.5, during: Interference = QUIET) -> Measured:
    """1,000,000 operations in 10 seconds, at this cost each."""
    return Measured(
        operations=1_000_000,
        requests=1_000_000,
        seconds=10.0,
        server_cpu_seconds=cpu_us,
        loader_cpu_seconds=10.0 * loader_share,
        p50_us=100,
        p99_us=200,
        p999_us=300,
        max_us=400,
        interference=during,
    )


def finding(figures: list[float], goal: Goal | None, reasons: tuple[str, ...] = ()) -> Finding:
    return Finding(
        name="get-4x32",
        title="Get | GET",
        unit="us CPU per key",
        rows=(
            Row("Shoal", "GET, 4 x 32", Sample.of([2.0, 2.1, 2.2]), {"per_second": 123_456.0}),
            Row("Redis", "GET, 50 x 1", Sample.of([7.0, 7.1, 7.2]), {"per_second": 65_432.0}),
        ),
        figure_name="Shoal / Redis",
        figure=Sample.of(figures),
        goal=goal,
        reasons=reasons,
        notes=("something to know",),
    )


def results() -> Results:
    return Results(
        machine={"cpu": "a processor", "cores": 2, "kernel": "6.1"},
        servers={"Shoal": "cluster", "Redis": "7.0.15"},
        skipped=("memcached is missing: apt-get install memcached, or set MEMCACHED",),
        repetitions=3,
        seconds=12.5,
        failed=("join: a node did not start",),
        findings=(
            finding([0.28, 0.3, 0.31], Goal(0.6)),
            Finding("nothing", "rows alone", "bytes", (Row("Shoal", "", Sample.of([20.0])),)),
        ),
    )
