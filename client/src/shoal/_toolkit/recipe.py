"""Everything that one ``get_or_load`` was told, checked once.

A call site says the same each time, and is in front of values that are in memory: what was
checked lately is not checked again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from shoal._core.durations import Duration
from shoal._core.requests import wire_tags
from shoal._errors import InvalidRequest
from shoal._toolkit.freshness import Lifetime, lifetime

DEFAULT_JITTER = 0.1
_KNOWN: Final = 512
"""How many are remembered, of the whole process."""


class OnError(StrEnum):
    """What a caller sees of a cache that fails. An origin that fails is always seen."""

    RAISE = "raise"
    """The cache's error."""

    MISS = "miss"
    """Nothing: the origin is asked, within its guard, and the value is not stored."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How values of one kind are kept."""

    lifetime: Lifetime
    tags: tuple[str, ...]
    on_error: OnError


def recipe(
    *,
    ttl: Duration,
    fresh: Duration | None,
    stale_if_error: Duration | None,
    absent_ttl: Duration | None,
    jitter: float,
    tags: Iterable[str],
    on_error: OnError | str,
) -> Recipe:
    """Return the recipe. Raises InvalidRequest."""
    if type(tags) is tuple:
        try:
            return _known(ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error)
        except TypeError:
            # Something that has no hash; below it is refused with a sentence.
            pass
    return _checked(ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error)


def _checked(
    ttl: Duration,
    fresh: Duration | None,
    stale_if_error: Duration | None,
    absent_ttl: Duration | None,
    jitter: float,
    tags: Iterable[str],
    on_error: OnError | str,
) -> Recipe:
    named = tuple(wire_tags(tags))
    return Recipe(
        lifetime(
            ttl=ttl,
            fresh=fresh,
            stale_if_error=stale_if_error,
            absent_ttl=absent_ttl,
            jitter=jitter,
        ),
        named,
        checked_on_error(on_error),
    )


# Typed: True is no time, and equal to 1.
_known = lru_cache(_KNOWN, typed=True)(_checked)


def checked_on_error(on_error: OnError | str) -> OnError:
    """Return the choice. Raises InvalidRequest."""
    try:
        return OnError(on_error)
    except ValueError as error:
        raise InvalidRequest(f"on_error must be 'raise' or 'miss', not {on_error!r}") from error
