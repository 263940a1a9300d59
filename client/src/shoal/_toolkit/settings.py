"""What a ``Cache`` is made with, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from shoal._codecs.serializer import Serializer
from shoal._core.durations import Duration, duration_ms
from shoal._errors import ConfigurationError, InvalidRequest
from shoal._toolkit.flights import DEFAULT_MAX_WAITING
from shoal._toolkit.guard import OriginGuard
from shoal._toolkit.recipe import DEFAULT_JITTER, OnError, Recipe, checked_on_error, recipe

LONGEST_LEASE_MS: Final = 600_000
MAX_REFRESHES: Final = 4
"""Refreshes behind the scenes at once."""
MAX_REFRESHES_WAITING: Final = 64
"""Past it a refresh is left out: the value is stale a while longer."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """See ``shoal.Client.cache``."""

    serializer: Serializer = field(default_factory=Serializer)
    guard: OriginGuard = field(default_factory=OriginGuard)
    jitter: float = DEFAULT_JITTER
    on_error: OnError = OnError.MISS
    lease_ms: int = 10_000
    max_join_seconds: float = 30.0
    max_waiting: int = DEFAULT_MAX_WAITING
    random: Random = field(default_factory=Random)

    def recipe(
        self,
        ttl: Duration,
        fresh: Duration | None,
        stale_if_error: Duration | None,
        absent_ttl: Duration | None,
        jitter: float | None,
        tags: Iterable[str],
        on_error: OnError | str | None,
    ) -> Recipe:
        """Return how values are kept, where a call says nothing as it is set here."""
        return recipe(
            ttl=ttl,
            fresh=fresh,
            stale_if_error=stale_if_error,
            absent_ttl=absent_ttl,
            jitter=self.jitter if jitter is None else jitter,
            tags=tags,
            on_error=self.on_error if on_error is None else on_error,
        )


def cache_settings(
    *,
    serializer: Serializer | None,
    guard: OriginGuard | None,
    jitter: float,
    on_error: OnError | str,
    lease: Duration,
    max_join: Duration,
    max_waiting: int,
    random: Random | None,
) -> CacheSettings:
    """Return the settings. Raises ConfigurationError."""
    try:
        lease_ms = duration_ms(lease, "lease")
        max_join_ms = duration_ms(max_join, "max_join")
        choice = checked_on_error(on_error)
    except InvalidRequest as error:
        raise ConfigurationError(str(error)) from error
    if lease_ms > LONGEST_LEASE_MS:
        raise ConfigurationError(f"lease must be at most 10 minutes, not {lease!r}")
    if not 0 <= jitter < 1:
        raise ConfigurationError(f"jitter must be from 0 to less than 1, not {jitter!r}")
    if max_waiting < 1:
        raise ConfigurationError(f"max_waiting must be 1 or more, not {max_waiting}")
    return CacheSettings(
        serializer=serializer or Serializer(),
        guard=guard or OriginGuard(),
        jitter=jitter,
        on_error=choice,
        lease_ms=lease_ms,
        max_join_seconds=max_join_ms / 1000,
        max_waiting=max_waiting,
        random=random or Random(),  # noqa: S311 - it spreads times, it keeps no secret
    )
