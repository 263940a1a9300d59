"""Functions of blocking code, decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from shoal._toolkit.blocking_runner import BlockingRunner
from shoal._toolkit.cached_recipe import CachedRecipe, wrong_twin
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import Recipe

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Cached(Generic[_P, _R]):
    """A function whose results are cached. Made by ``@cache.cached``."""

    def __init__(
        self,
        function: Callable[_P, _R],
        key: str,
        recipe: Recipe,
        loading: Loading,
        runner: BlockingRunner,
        delete: Callable[..., int],
    ) -> None:
        """For ``cache.cached`` alone."""
        if inspect.iscoroutinefunction(function):
            raise wrong_twin(function, is_async=True)
        self.original = function
        """The function itself: it asks the origin, and nothing else."""
        self._cached_recipe = CachedRecipe(function, key, recipe)
        self._loading = loading
        self._runner = runner
        self._delete = delete
        update_wrapper(self, function)

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Return the cached result, or that of the function."""
        key, recipe = self._cached_recipe.of(args, kwargs)
        loader = partial(self.original, *args, **kwargs)
        result: _R = self._runner.run(self._loading.get_or_load(key, loader, recipe))
        return result

    def refresh(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the function, store its result in place of what is cached, and return it."""
        key, recipe = self._cached_recipe.of(args, kwargs)
        loader = partial(self.original, *args, **kwargs)
        result: _R = self._runner.run(self._loading.refresh(key, loader, recipe))
        return result

    def invalidate(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Forget the result for these arguments; return whether there was one.

        Call it after the origin has changed. Raises ShoalError: what is cached may be old.
        """
        key, _ = self._cached_recipe.of(args, kwargs)
        return bool(self._delete(key))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind it as a method is bound."""
        return self if instance is None else _Bound(self, instance)


class _Bound:
    """A decorated method of one object."""

    def __init__(self, function: Cached[..., Any], instance: object) -> None:
        self.original = partial(function.original, instance)
        self.refresh = partial(function.refresh, instance)
        self.invalidate = partial(function.invalidate, instance)
        self._function = function
        self._instance = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(self._instance, *args, **kwargs)
