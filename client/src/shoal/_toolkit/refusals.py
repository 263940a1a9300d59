"""Sentences of refusal that threads and tasks share."""

from __future__ import annotations

from shoal._errors import DeadlineExceeded, LoadRefused


def joined_too_long(key: bytes, seconds: float | None) -> DeadlineExceeded:
    """Return the error of a caller whose wait for another's load was over."""
    return DeadlineExceeded(
        f"the load of {key!r}, which another caller of this process began, took longer than "
        f"{seconds} s (max_join): give the loader a timeout of its own"
    )


def waited_too_long(seconds: float) -> LoadRefused:
    """Return the error of a load whose wait for a place was over."""
    return LoadRefused(
        f"no place in front of the origin became free within {seconds:g} s (max_wait): it was "
        "not asked",
        reason="ORIGIN_BUSY",
    )
