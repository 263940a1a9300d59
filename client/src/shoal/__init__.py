"""Client of Shoal, the distributed in-memory cache that protects the database behind it.

    >>> import shoal
    >>> with shoal.Client.from_url("shoal://cache-1:7400,cache-2:7400") as cache:
    ...     cache.set("product:42", b"...", ttl="10m")
    ...     cache.get("product:42")

``shoal.Client`` blocks and may be shared by threads; ``shoal.asyncio.Client`` is its
twin with the same names. Names are loaded when they are first used, so that importing
this package costs next to nothing and does not import grpc.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal import asyncio as asyncio
    from shoal._cache import Cache as Cache
    from shoal._client import Client as Client
    from shoal._core.durations import Duration as Duration
    from shoal._core.near import NearCache as NearCache
    from shoal._core.near import NearStats as NearStats
    from shoal._core.tls import Tls as Tls
    from shoal._core.topology import Node as Node
    from shoal._core.topology import Partition as Partition
    from shoal._core.topology import Topology as Topology
    from shoal._errors import ClientClosed as ClientClosed
    from shoal._errors import ClientMisuse as ClientMisuse
    from shoal._errors import ConfigurationError as ConfigurationError
    from shoal._errors import DeadlineExceeded as DeadlineExceeded
    from shoal._errors import ForkedClient as ForkedClient
    from shoal._errors import InvalidRequest as InvalidRequest
    from shoal._errors import LoadRefused as LoadRefused
    from shoal._errors import NotServed as NotServed
    from shoal._errors import Outcome as Outcome
    from shoal._errors import OutcomeUnknown as OutcomeUnknown
    from shoal._errors import PermissionDenied as PermissionDenied
    from shoal._errors import ResourceExhausted as ResourceExhausted
    from shoal._errors import ServerError as ServerError
    from shoal._errors import ShoalError as ShoalError
    from shoal._errors import Unauthenticated as Unauthenticated
    from shoal._errors import Unavailable as Unavailable
    from shoal._errors import UnreadableValue as UnreadableValue
    from shoal._errors import WrongEventLoop as WrongEventLoop
    from shoal._session import Session as Session
    from shoal._sharded_counter import ShardedCounter as ShardedCounter
    from shoal._toolkit.counters import CacheStats as CacheStats
    from shoal._toolkit.guard import OriginGuard as OriginGuard
    from shoal._toolkit.recipe import OnError as OnError
    from shoal._toolkit.regions.blocking_region import Region as Region
    from shoal._values import ABSENT as ABSENT
    from shoal._values import MISSING as MISSING
    from shoal._values import AbsentType as AbsentType
    from shoal._values import Ack as Ack
    from shoal._values import Entry as Entry
    from shoal._values import Key as Key
    from shoal._values import MissingType as MissingType
    from shoal._values import ReadMode as ReadMode
    from shoal._values import SetResult as SetResult
    from shoal._values import Value as Value
    from shoal._values import Version as Version

_HOMES = {
    "shoal._cache": ("Cache",),
    "shoal._client": ("Client",),
    "shoal._core.durations": ("Duration",),
    "shoal._core.near": ("NearCache", "NearStats"),
    "shoal._core.tls": ("Tls",),
    "shoal._core.topology": ("Node", "Partition", "Topology"),
    "shoal._errors": (
        "ClientClosed",
        "ClientMisuse",
        "ConfigurationError",
        "DeadlineExceeded",
        "ForkedClient",
        "InvalidRequest",
        "LoadRefused",
        "NotServed",
        "Outcome",
        "OutcomeUnknown",
        "PermissionDenied",
        "ResourceExhausted",
        "ServerError",
        "ShoalError",
        "Unauthenticated",
        "Unavailable",
        "UnreadableValue",
        "WrongEventLoop",
    ),
    "shoal._session": ("Session",),
    "shoal._sharded_counter": ("ShardedCounter",),
    "shoal._toolkit.counters": ("CacheStats",),
    "shoal._toolkit.guard": ("OriginGuard",),
    "shoal._toolkit.recipe": ("OnError",),
    "shoal._toolkit.regions.blocking_region": ("Region",),
    "shoal._values": (
        "ABSENT",
        "MISSING",
        "AbsentType",
        "Ack",
        "Entry",
        "Key",
        "MissingType",
        "ReadMode",
        "SetResult",
        "Value",
        "Version",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"

__all__ = [
    "ABSENT",
    "MISSING",
    "AbsentType",
    "Ack",
    "Cache",
    "CacheStats",
    "Client",
    "ClientClosed",
    "ClientMisuse",
    "ConfigurationError",
    "DeadlineExceeded",
    "Duration",
    "Entry",
    "ForkedClient",
    "InvalidRequest",
    "Key",
    "LoadRefused",
    "MissingType",
    "NearCache",
    "NearStats",
    "Node",
    "NotServed",
    "OnError",
    "OriginGuard",
    "Outcome",
    "OutcomeUnknown",
    "Partition",
    "PermissionDenied",
    "ReadMode",
    "Region",
    "ResourceExhausted",
    "ServerError",
    "Session",
    "SetResult",
    "ShardedCounter",
    "ShoalError",
    "Tls",
    "Topology",
    "Unauthenticated",
    "Unavailable",
    "UnreadableValue",
    "Value",
    "Version",
    "WrongEventLoop",
    "asyncio",
]


def __getattr__(name: str) -> Any:
    if name == "asyncio":
        return import_module("shoal.asyncio")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'shoal' has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
