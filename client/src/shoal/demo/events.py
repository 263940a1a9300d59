"""What is done to the system at marked moments, and the marks that the chart shows.

An event that acts (a node is killed) has an ``act`` of its own; the sale's start has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    SALE_STARTS = "sale starts"
    NODE_KILLED = "node killed"
    NODE_TERMINATED = "node terminated"
    NODE_RESTARTED = "node restarted"
    NODE_ADDED = "node added"
    NODE_SETTLED = "node settled"
    COPIES_RESTORED = "copies restored"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``label`` stands in the chart."""

    kind: EventKind
    at_ns: int
    label: str
    subject: str = ""
    """The node that it happened to, if it did to one."""


def _nothing() -> None:
    """For what happens by itself, such as the sale, which the workers start by the clock."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """``act`` is called in the run's main loop and must return at once.

    It may return what it happened to, which then stands in the label's place of ``{}``.
    """

    at_seconds: float
    kind: EventKind
    label: str
    act: Callable[[], str | None] = _nothing


@dataclass(frozen=True, slots=True)
class Awaited:
    """Something that comes about by itself after another event: ``subject`` returns what it
    happened to once it did, else None. It is called in the main loop, and must return at once."""

    after: EventKind
    kind: EventKind
    label: str
    subject: Callable[[], str | None]


class Schedule:
    """Runs each entry once, when its time has come, in order, and notes what is awaited."""

    def __init__(
        self, entries: Sequence[Scheduled], awaited: Sequence[Awaited] = (), *, begin_ns: int
    ) -> None:
        self._waiting = sorted(entries, key=lambda entry: entry.at_seconds)
        self._awaited = [*awaited]
        self._begin_ns = begin_ns
        self._seen: set[EventKind] = set()

    def run_due(self, now_ns: int) -> list[Event]:
        """Acts on what is due. An event's time is when its action began."""
        events: list[Event] = []
        while self._waiting and self._due_ns(self._waiting[0]) <= now_ns:
            entry = self._waiting.pop(0)
            subject = entry.act() or ""
            at_ns = self._due_ns(entry) if entry.act is _nothing else now_ns
            events.append(Event(entry.kind, at_ns, entry.label.format(subject), subject))
        for each in [each for each in self._awaited if each.after in self._seen]:
            if (came := each.subject()) is not None:
                self._awaited.remove(each)
                events.append(Event(each.kind, now_ns, each.label.format(came), came))
        self._seen.update(event.kind for event in events)
        return events

    def _due_ns(self, entry: Scheduled) -> int:
        return self._begin_ns + round(entry.at_seconds * 1e9)
