"""Which releases of etcd can be relied on."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")

# The first of each minor line with the known lease and watch bugs fixed.
_SOUND = {(3, 5): 28, (3, 6): 9}
# Before it, a progress response may overtake the events before it.
_PROBES_EXACT = {(3, 4): 25, (3, 5): 8}


@dataclass(frozen=True, slots=True)
class Assessment:
    """``warning`` is a sentence for the log, or ``None``."""

    warning: str | None
    probes_are_exact: bool
    """Whether the answer to a progress request tells that nothing before it is missing."""


def assess(version: str) -> Assessment:
    """Judge an etcd by its version; one that cannot be read counts as new."""
    match = _NUMBER.match(version)
    if match is None:
        return Assessment(None, probes_are_exact=True)
    major, minor, patch = (int(part) for part in match.groups())
    sound = _at_least(_SOUND, major, minor, patch)
    warning = (
        None
        if sound
        else f"etcd {version} has known lease and watch bugs: run 3.5.28, 3.6.9 or later"
    )
    return Assessment(warning, _at_least(_PROBES_EXACT, major, minor, patch))


def _at_least(first: dict[tuple[int, int], int], major: int, minor: int, patch: int) -> bool:
    line = (major, minor)
    return line > max(first) or (line in first and patch >= first[line])
