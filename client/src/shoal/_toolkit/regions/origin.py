"""What a region calls to reach its origin, and how it names things in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from shoal._core.requests import wire_key
from shoal._errors import ClientMisuse, ConfigurationError
from shoal._toolkit.keys import spelt
from shoal._values import AbsentType


@dataclass(frozen=True, slots=True)
class RegionOrigin:
    """The functions of one region; those of asyncio are to be awaited."""

    name: str
    load: Callable[[Any], Any]
    store: Callable[[Any, Any], Any] | None
    remove: Callable[[Any], Any] | None

    def __post_init__(self) -> None:
        if not self.name or ":" in self.name:
            raise ConfigurationError(
                f"a region's name must be a text without ':', not {self.name!r}: it begins the keys"
            )

    def key(self, id: Any) -> bytes:  # noqa: A002 - what callers call it
        """Return the key of one thing. Raises InvalidRequest."""
        return wire_key(f"{self.name}:{spelt('id', id)}")

    def loader(self, id: Any) -> Callable[[], Any]:  # noqa: A002
        """Return what loads one thing."""
        return partial(self.load, id)

    def writer(self, id: Any, value: Any) -> Callable[[], Any]:  # noqa: A002
        """Return what writes one thing; ABSENT removes it. Raises ClientMisuse."""
        if isinstance(value, AbsentType):
            if self.remove is None:
                raise ClientMisuse(
                    f"region {self.name!r} cannot remove: give it remove=, a function of the id"
                )
            return partial(self.remove, id)
        if self.store is None:
            raise ClientMisuse(
                f"region {self.name!r} is only read: give it store=, a function of id and value"
            )
        return partial(self.store, id, value)
