"""Sentences of refusal that threads and tasks share."""

from __future__ import annotations

from shoal._errors import LoadRefused


def waited_too_long(seconds: float) -> LoadRefused:
    """Return the error of a load whose wait for a place was over."""
    return LoadRefused(
        f"no place in front of the origin became free within {seconds:g} s (max_wait): it was "
        "not asked",
        reason="ORIGIN_BUSY",
    )
