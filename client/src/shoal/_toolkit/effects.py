"""What the plan of a load asks its runner to do.

A plan is a generator: it yields an effect, is sent its result, and is thrown what the
effect raised. So one plan serves threads and tasks, and a test plays it by hand.

    effect       result
    Ask          what the client's operation returns; raises ShoalError
    Fly          (outcome of the key's one plan, whether this caller led it)
    Load         what the loader returns, called under the guard; raises what it raises
    Part         None, at once; from here on nobody joins the key's plan
    Background   None, at once; the plan is run later, or not at all when too many are
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from shoal._core.effects import Operation


class Ask(NamedTuple):
    """Perform an operation of the client."""

    operation: Operation[Any]


class Fly(NamedTuple):
    """Run a plan of which one at a time runs for a key; join it if it runs already."""

    key: bytes
    plan: Callable[[], Plan[Any]]


class Load(NamedTuple):
    """Ask the origin, within its guard."""

    key: bytes
    loader: Callable[[], Any]


class Part(NamedTuple):
    """Let nobody else join the plan of a key."""

    key: bytes


class Background(NamedTuple):
    """Run a plan that nobody waits for."""

    key: bytes
    plan: Callable[[], Plan[Any]]


Effect: TypeAlias = Ask | Fly | Load | Part | Background

_Result = TypeVar("_Result")
Plan: TypeAlias = Generator[Effect, Any, _Result]
