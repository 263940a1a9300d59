"""Write-behind: the cache at once, the origin a moment later.

The loss window: what is in the queue when the process dies never reaches the origin. That is
at most ``max_queued`` keys, written within the last ``max_delay`` while the origin answers,
and since it began to fail otherwise; it stays in the cache until its TTL, so that readers
have seen what the origin never will. ``close`` flushes.

A write is first queued, then cached: what the cache does not take is written all the same.
That it failed is told as ``on_error`` says; that it refuses its caller always is.
Readers of this process are answered from the queue as long as a write waits there. When the
origin has it, the cache is looked at: where it holds something else (the entry was evicted,
and loaded from the old row), that is deleted.
"""

from __future__ import annotations

from typing import Any

from shoal._core import filling, operations
from shoal._core.core import Core
from shoal._errors import InvalidRequest, ShoalError
from shoal._toolkit.effects import Ask, Load, Plan
from shoal._toolkit.loading import CACHE_FAILED, Loading
from shoal._toolkit.recipe import OnError, Recipe
from shoal._toolkit.regions.origin import RegionOrigin
from shoal._toolkit.regions.write_queue import Taken
from shoal._values import MISSING


class WriteBehind:
    """The writes of a region. Its runner owns the queue."""

    def __init__(self, core: Core, origin: RegionOrigin, loading: Loading, recipe: Recipe) -> None:
        self._core = core
        self._origin = origin
        self._loading = loading
        self._recipe = recipe

    def show(self, key: bytes, value: Any) -> Plan[None]:
        """Put what was queued into the cache."""
        content = self._loading.content(key, value, self._recipe)
        try:
            if content is None:
                yield from self._delete(key)
            else:
                yield from self._overwrite(key, content)
        except ShoalError as error:
            if isinstance(error, CACHE_FAILED) and self._recipe.on_error is OnError.MISS:
                return
            error.add_note(f"the write of {key!r} is queued: the origin gets it all the same")
            raise

    def _overwrite(self, key: bytes, content: filling.Content) -> Plan[None]:
        try:
            yield Ask(filling.overwrite(self._core, key, content))
        except InvalidRequest:
            # Too large to be cached: nobody shall be served what was there before.
            yield from self._delete(key)

    def _delete(self, key: bytes) -> Plan[None]:
        yield Ask(operations.delete(self._core, [key], ack=None, timeout=None))

    def write(self, taken: Taken) -> Plan[None]:
        """Write to the origin what was taken from the queue. Raises what the origin does."""
        yield Load(taken.key, self._origin.writer(taken.id, taken.value))

    def correct(self, taken: Taken) -> Plan[None]:
        """Delete what the cache holds, where it is not what the origin has now."""
        looked = yield Ask(filling.look(self._core, taken.key, None))
        if looked.found is MISSING:
            return
        if self._loading.value_of(taken.key, looked.found) != taken.value:
            yield from self._delete(taken.key)
