"""Every scenario by name, and how those that were chosen are run."""

from __future__ import annotations

from collections.abc import Callable

from bench.finding import Finding
from bench.loader_process import LoadFailed
from bench.scenarios import (
    cores,
    cross_check,
    expiry,
    growth,
    handoff,
    join,
    memory,
    replication,
    viral,
    watching,
    wire,
)
from bench.scenarios.plan import Plan

_WIRES = {each.name: each for each in wire.WIRES}
_OTHERS: dict[str, Callable[[Plan], list[Finding]]] = {
    memory.NAME: memory.measure,
    cores.NAME: cores.measure,
    expiry.NAME: expiry.measure,
    growth.NAME: growth.measure,
    replication.NAME: replication.measure,
    handoff.NAME: handoff.measure,
    join.NAME: join.measure,
    viral.NAME: viral.measure,
    watching.NAME: watching.measure,
    cross_check.NAME: cross_check.measure,
}
NAMES = (*_WIRES, *_OTHERS)


def selected(only: str) -> tuple[str, ...] | str:
    """The names asked for, all of them for nothing; or a sentence where one is not known."""
    if not only:
        return NAMES
    asked = tuple(name.strip() for name in only.split(","))
    unknown = [name for name in asked if name not in NAMES]
    if unknown:
        return f"there is no scenario {unknown[0]}: take some of {', '.join(NAMES)}"
    return asked


def run(plan: Plan, names: tuple[str, ...]) -> tuple[list[Finding], list[str]]:
    """In the order of the catalogue, whatever the order asked. What was
    found, and a sentence for each that failed: it costs nobody the figures of the others."""
    wires = [each for name, each in _WIRES.items() if name in names]
    scenarios: list[tuple[str, Callable[[Plan], list[Finding]]]] = [
        *([("wire", lambda plan: wire.measure(plan, wires))] if wires else []),
        *((name, measure) for name, measure in _OTHERS.items() if name in names),
    ]
    findings: list[Finding] = []
    failed: list[str] = []
    for name, measure in scenarios:
        plan.say(name)
        try:
            findings += measure(plan)
        except (LoadFailed, RuntimeError) as why:
            failed.append(f"{name}: {why}")
            plan.say(failed[-1])
    return findings, failed
