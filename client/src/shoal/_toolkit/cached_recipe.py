"""What a decorated function's calls have in common, and what each of them has of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shoal._errors import ClientMisuse, ConfigurationError
from shoal._toolkit.keys import Keys
from shoal._toolkit.recipe import Recipe


class CachedRecipe:
    """Key, tags and times of a decorated function."""

    def __init__(self, function: Callable[..., Any], key: str, recipe: Recipe) -> None:
        """``recipe.tags`` are templates as the key is. Raises ConfigurationError."""
        if not callable(function):
            raise ConfigurationError(
                f"cached(...) decorates a function, not a {type(function).__name__}: write "
                "@cache.cached(key=..., ttl=...) above it"
            )
        self._keys = Keys(key, recipe.tags, function)
        self._recipe = recipe

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, Recipe]:
        """Return key and recipe of one call. Raises TypeError, InvalidRequest."""
        key, tags = self._keys.of(*args, **kwargs)
        recipe = replace(self._recipe, tags=tuple(tags)) if tags else self._recipe
        return key, recipe


def wrong_twin(function: Callable[..., Any], *, is_async: bool) -> ClientMisuse:
    """Return the error of decorating a function of the other kind."""
    name = getattr(function, "__qualname__", repr(function))
    if is_async:
        return ClientMisuse(
            f"{name} is an async def, and this cache is for blocking code: decorate it with a "
            "cache of shoal.asyncio.Client"
        )
    return ClientMisuse(
        f"{name} is no async def, and this cache is for asyncio: decorate it with a cache of "
        "shoal.Client, or make it async"
    )
