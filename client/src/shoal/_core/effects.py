"""What an operation asks its driver to do.

An operation is a generator: it yields an effect, is sent the answer, and returns its
result. Failures of calls are answers too (``failures.Failure``), never exceptions, so
that a test can play a whole story by hand.

    effect             answer
    Call               the response message, or a Failure
    Parallel           a list of such answers, in the order of its calls
    Sleep              None, after that time
    RefreshTopology    None, at once; the watcher then asks another node
    AwaitTopology      None, when a topology is known or the time is over
    Listen             None, at once; a stream to the node then tells of its changes
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

Method: TypeAlias = Literal[
    "Get", "Set", "Del", "Incr", "MGet", "MSet", "Touch", "ReleaseFill", "InvalidateTag"
]
METHODS: tuple[Method, ...] = get_args(Method)


class Call(NamedTuple):
    """One request to one node."""

    address: str
    method: Method
    request: Any
    timeout_seconds: float


class Parallel(NamedTuple):
    """Requests to several nodes at once."""

    calls: Sequence[Call]


class Sleep(NamedTuple):
    """Wait before the next attempt."""

    seconds: float


class RefreshTopology(NamedTuple):
    """A call failed: what is known about the cluster may be wrong."""


class AwaitTopology(NamedTuple):
    """Wait until a topology is known."""

    timeout_seconds: float


class Listen(NamedTuple):
    """A node granted answers to this client, and is not listened to."""

    address: str


Effect: TypeAlias = Call | Parallel | Sleep | RefreshTopology | AwaitTopology | Listen

_Result = TypeVar("_Result")
Operation: TypeAlias = Generator[Effect, Any, _Result]
