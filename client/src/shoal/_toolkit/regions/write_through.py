"""Write-through: the origin first, then the cache, so that a reader is never ahead of it.

    look     what the cache holds before the write
    write    the origin, within its guard
    store    the value, only if the cache still holds what was seen before
    delete   instead, where it does not: another writer, or a load, came between, and which
             of them the origin has last is not known here

So two writers cannot leave the cache with the value that the origin had first. What fails
before the origin is written changes nothing: the origin itself, and a cache that refuses its
caller. A cache that fails keeps nobody from writing: what it held is deleted. What fails
after the origin is written is told: it has the new value, and the cache may serve the old
one until its TTL.
"""

from __future__ import annotations

from typing import Any

from shoal._core import filling, operations
from shoal._core.core import Core
from shoal._errors import InvalidRequest, ShoalError
from shoal._toolkit.effects import Ask, Load, Plan
from shoal._toolkit.loading import CACHE_FAILED, Loading, fence_of
from shoal._toolkit.recipe import Recipe
from shoal._toolkit.regions.origin import RegionOrigin


class WriteThrough:
    """The writes of a region."""

    def __init__(self, core: Core, origin: RegionOrigin, loading: Loading, recipe: Recipe) -> None:
        self._core = core
        self._origin = origin
        self._loading = loading
        self._recipe = recipe

    def put(self, id: Any, value: Any) -> Plan[None]:  # noqa: A002
        """Write a value, or ABSENT, which removes it."""
        key = self._origin.key(id)
        writer = self._origin.writer(id, value)
        content = self._loading.content(key, value, self._recipe)
        try:
            looked = yield Ask(filling.look(self._core, key, None))
        except CACHE_FAILED:
            looked = None
        yield Load(key, writer)
        try:
            if looked is None or content is None:
                yield from self._delete(key)
            else:
                yield from self._store(key, content, looked)
        except ShoalError as error:
            error.add_note(
                f"the origin has the new value of {key!r}; the cache may serve the old one until "
                "its ttl: delete it once the cache answers"
            )
            raise

    def _store(self, key: bytes, content: filling.Content, looked: filling.Looked) -> Plan[None]:
        try:
            stored = yield Ask(filling.store(self._core, key, content, fence_of(looked)))
        except InvalidRequest:
            yield from self._delete(key)
            return
        if not stored.applied:
            yield from self._delete(key)

    def _delete(self, key: bytes) -> Plan[None]:
        yield Ask(operations.delete(self._core, [key], ack=None, timeout=None))
