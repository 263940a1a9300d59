"""Times as people write them: ``90``, ``timedelta(minutes=1, seconds=30)``, ``"1m30s"``.

A number counts seconds. Within the client every time is whole milliseconds, at least 1:
on the wire 0 means "none", so a time of zero is refused rather than read as "forever".
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TypeAlias

from shoal._errors import InvalidRequest

Duration: TypeAlias = int | float | timedelta | str
"""Seconds, a timedelta, or text such as "250ms", "10m", "1h30m"."""

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_TEXT = re.compile(rf"(?:{_TERM.pattern})+")
_LONGEST_MS = 2**63 - 1


def duration_ms(duration: Duration, what: str = "ttl") -> int:
    """Return whole milliseconds, rounded up, at least 1.

    ``what`` names the argument in the error. Raises InvalidRequest for bool, NaN,
    infinity, zero, negative or unreadable times.
    """
    ms = math.ceil(_exact_ms(duration, what))
    if ms < 0:
        raise InvalidRequest(
            f"{what} must not be negative, but is {duration!r}", reason="TTL_NEGATIVE"
        )
    if ms == 0:
        raise InvalidRequest(
            f"{what} must be more than zero; leave it out, or pass None, where there is none"
        )
    if ms > _LONGEST_MS:
        raise InvalidRequest(f"{what} of {duration!r} is too long to be counted in milliseconds")
    return ms


def format_duration(ms: int) -> str:
    """Write milliseconds as ``duration_ms`` reads them: 5400000 is "1h30m"."""
    assert ms > 0
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _exact_ms(duration: Duration, what: str) -> int | float:
    if isinstance(duration, bool):
        raise InvalidRequest(f"{what} must be a time, not {duration!r}")
    if isinstance(duration, int):
        return duration * 1000
    if isinstance(duration, float):
        if not math.isfinite(duration):
            raise InvalidRequest(f"{what} must be a finite number of seconds, not {duration!r}")
        # 0.1 + 0.2 seconds are 300 ms, not 301: drop what is only rounding.
        return round(duration * 1000, 6)
    if isinstance(duration, timedelta):
        microseconds = duration // timedelta(microseconds=1)
        return -(-microseconds // 1000)
    if isinstance(duration, str):
        return _text_ms(duration, what)
    raise InvalidRequest(
        f"{what} must be seconds, a timedelta or text such as '10m', not {type(duration).__name__}"
    )


def _text_ms(text: str, what: str) -> int | float:
    compact = text.strip().lower()
    if compact.startswith("-"):
        raise InvalidRequest(f"{what} must not be negative, but is {text!r}", reason="TTL_NEGATIVE")
    if not _TEXT.fullmatch(compact):
        raise InvalidRequest(
            f"{what} {text!r} is not a time: write '250ms', '10s', '10m', '1h30m' or '7d'"
        )
    total: int | float = 0
    for number, unit in _TERM.findall(compact):
        count = float(number) if "." in number else int(number)
        total += count * _UNIT_MS[unit]
    return total if isinstance(total, int) else round(total, 6)
