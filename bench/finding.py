"""What a scenario found: figures, the goal they are held against, and what to think of it.

Every scenario ends in these, so that table, chart, JSON and Markdown are written once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bench.sample import Sample


class Outcome(StrEnum):
    """Of a figure that has a goal."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "too noisy to tell"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the figure. ``is_ceiling``: at most, otherwise at least."""

    bound: float
    is_ceiling: bool = True

    @property
    def text(self) -> str:
        return f"{'<=' if self.is_ceiling else '>='} {self.bound:g}"

    def holds(self, value: float) -> bool:
        return value <= self.bound if self.is_ceiling else value >= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One server's share of a scenario. ``details``: more of it, by name."""

    server: str
    did: str
    value: Sample
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """``reasons``: why the figure is too noisy, if it is. ``notes``: what else to know.

    ``needs_quiet``: the figure is of wall time, or no pair of which both halves suffered
    alike, so that any noise makes it worth nothing.
    """

    name: str
    title: str
    unit: str
    rows: tuple[Row, ...]
    figure_name: str = ""
    figure: Sample | None = None
    goal: Goal | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    needs_quiet: bool = False

    @property
    def outcome(self) -> Outcome:
        """Noise leaves a figure of pairs its worth where all of them lie on one side."""
        if self.goal is None or self.figure is None:
            return Outcome.NONE
        sides = {self.goal.holds(self.figure.low), self.goal.holds(self.figure.high)}
        is_split = len(sides) == 2 or self.figure.count == 1
        if self.reasons and (is_split or self.needs_quiet):
            return Outcome.UNKNOWN
        return Outcome.MET if self.goal.holds(self.figure.median) else Outcome.MISSED

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": str(self.outcome)}

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Finding:
        return cls(
            name=said["name"],
            title=said["title"],
            unit=said["unit"],
            rows=tuple(
                Row(row["server"], row["did"], Sample(**row["value"]), row["details"])
                for row in said["rows"]
            ),
            figure_name=said["figure_name"],
            figure=None if said["figure"] is None else Sample(**said["figure"]),
            goal=None if said["goal"] is None else Goal(**said["goal"]),
            reasons=tuple(said["reasons"]),
            notes=tuple(said["notes"]),
            needs_quiet=said["needs_quiet"],
        )
