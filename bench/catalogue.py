"""Every scenario by name, and how those that were chosen are run."""

from __future__ import annotations

from collections.abc import Callable

from bench.finding import Finding
from bench.scenarios import (
    cores,
    cross_check,
    expiry,
    growth,
    handoff,
    join,
    memory,
    replication,
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


def run(plan: Plan, names: tuple[str, ...]) -> list[Finding]:
    """In the order of the catalogue, whatever the order asked."""
    findings = wire.measure(plan, [each for name, each in _WIRES.items() if name in names])
    for name, measure in _OTHERS.items():
        if name in names:
            plan.say(name)
            findings += measure(plan)
    return findings
