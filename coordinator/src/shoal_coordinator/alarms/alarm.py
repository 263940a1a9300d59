"""One alarm: a value, from where on it warns, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Numbered as monitoring systems number exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From there on; None: never. ``critical_from`` is not below ``warning_from``."""

    warning_from: float | None = None
    critical_from: float | None = None

    def level(self, value: float) -> Level:
        if self.critical_from is not None and value >= self.critical_from:
            return Level.CRITICAL
        if self.warning_from is not None and value >= self.warning_from:
            return Level.WARNING
        return Level.OK


@dataclass(frozen=True, slots=True)
class Alarm:
    """``value`` is None where it is not known. ``advice`` is empty where all is well."""

    name: str
    level: Level
    value: float | None
    thresholds: Thresholds
    says: str
    advice: str = ""


def judged(
    name: str, value: float, thresholds: Thresholds, *, says: str, fine: str, advice: str
) -> Alarm:
    """``says`` and ``advice`` where it is raised, ``fine`` where it is not."""
    level = thresholds.level(value)
    if level is Level.OK:
        return Alarm(name, level, value, thresholds, fine)
    return Alarm(name, level, value, thresholds, says, advice)


def unknown(name: str, thresholds: Thresholds, why: str, advice: str) -> Alarm:
    return Alarm(name, Level.UNKNOWN, None, thresholds, why, advice)
