"""Read-through: a miss is loaded from the origin, as by ``get_or_load``."""

from __future__ import annotations

from typing import Any

from shoal._toolkit.effects import Plan
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import Recipe
from shoal._toolkit.regions.origin import RegionOrigin


class ReadThrough:
    """The reads of a region."""

    def __init__(self, origin: RegionOrigin, loading: Loading, recipe: Recipe) -> None:
        self._origin = origin
        self._loading = loading
        self._recipe = recipe

    def get(self, id: Any) -> Plan[Any]:  # noqa: A002
        """Return the value or ABSENT."""
        key = self._origin.key(id)
        return self._loading.get_or_load(key, self._origin.loader(id), self._recipe)
