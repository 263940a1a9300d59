"""Functions of asyncio, decorated."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from shoal._toolkit.aio_runner import AioRunner
from shoal._toolkit.cached_recipe import CachedRecipe, wrong_twin
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import Recipe

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AioCached(Generic[_P, _R]):
    """A function whose results are cached. Made by ``@cache.cached``."""

    def __init__(
        self,
        function: Callable[_P, Coroutine[Any, Any, _R]],
        key: str,
        recipe: Recipe,
        loading: Loading,
        runner: AioRunner,
        delete: Callable[..., Awaitable[int]],
    ) -> None:
        """For ``cache.cached`` alone."""
        if not inspect.iscoroutinefunction(function):
            raise wrong_twin(function, is_async=False)
        self.original = function
        """The function itself: it asks the origin, and nothing else."""
        self._cached_recipe = CachedRecipe(function, key, recipe)
        self._loading = loading
        self._runner = runner
        self._delete = delete
        update_wrapper(self, function)
        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)

    async def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Return the cached result, or that of the function."""
        key, recipe = self._cached_recipe.of(args, kwargs)
        loader = partial(self.original, *args, **kwargs)
        result: _R = await self._runner.run(self._loading.get_or_load(key, loader, recipe))
        return result

    async def refresh(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the function, store its result in place of what is cached, and return it."""
        key, recipe = self._cached_recipe.of(args, kwargs)
        loader = partial(self.original, *args, **kwargs)
        result: _R = await self._runner.run(self._loading.refresh(key, loader, recipe))
        return result

    async def invalidate(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Forget the result for these arguments; return whether there was one.

        Call it after the origin has changed. Raises ShoalError: what is cached may be old.
        """
        key, _ = self._cached_recipe.of(args, kwargs)
        return bool(await self._delete(key))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind it as a method is bound."""
        return self if instance is None else _AioBound(self, instance)


class _AioBound:
    """A decorated method of one object."""

    def __init__(self, function: AioCached[..., Any], instance: object) -> None:
        self.original = partial(function.original, instance)
        self.refresh = partial(function.refresh, instance)
        self.invalidate = partial(function.invalidate, instance)
        self._function = function
        self._instance = instance

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await self._function(self._instance, *args, **kwargs)
