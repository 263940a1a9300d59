"""Which copies may answer a read, and how new they must be: of one key or of many.

    read        at_least   who answers
    None        None       the primary
    "any"       None       any copy in sync; may be stale
    "nearest"   as "any"   as "any", but a copy in the client's zone if there is one
    None, any   a version  any copy in sync that has applied it
    "primary"   a version  the primary, if it knows the version's epoch

A session asks for what it remembers of the key's partition. What a call leaves open the
client's ``read_from`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from shoal._core.requests import wire_key, wire_read, wire_version
from shoal._core.session import Remembered
from shoal._core.settings import Settings
from shoal._core.topology import Topology
from shoal._errors import InvalidRequest
from shoal._values import Key, ReadMode, Version
from shoal.v1 import cache_pb2

_K = TypeVar("_K", bound=Key)


@dataclass(frozen=True, slots=True)
class Reading:
    """``at_least`` by key; a key that is not in it may be answered by any copy."""

    mode: cache_pb2.ReadMode.ValueType = cache_pb2.READ_MODE_UNSPECIFIED
    at_least: Mapping[bytes, cache_pb2.Version] | None = None
    is_nearest: bool = False
    """Whether a copy in the client's own zone is asked before any other."""

    @property
    def is_spread(self) -> bool:
        """Whether another copy than the primary may answer."""
        return self.mode == cache_pb2.READ_MODE_ANY

    def of(self, key: bytes) -> cache_pb2.Version | None:
        """Return what a copy must have applied to answer for a key."""
        return None if self.at_least is None else self.at_least.get(key)


BY_THE_PRIMARY = Reading()


def reading_of_one(
    key: bytes, read: ReadMode | str | None, at_least: Version | None, settings: Settings
) -> Reading:
    """Return how one key is read. Raises InvalidRequest."""
    read = _chosen(read, settings)
    if at_least is None:
        return _reading(read)
    return _reading(read or ReadMode.ANY, {key: wire_version(at_least, "at_least")})


def reading_of_many(
    read: ReadMode | str | None, at_least: Mapping[_K, Version] | None, settings: Settings
) -> Reading:
    """Return how many keys are read. Raises InvalidRequest."""
    read = _chosen(read, settings)
    if at_least is None:
        return _reading(read)
    if not isinstance(at_least, Mapping):
        raise InvalidRequest(
            f"at_least of many keys must map keys to versions, not {type(at_least).__name__}"
        )
    versions = {
        wire_key(key): wire_version(version, "at_least") for key, version in at_least.items()
    }
    return _reading(read or ReadMode.ANY, versions)


def reading_of_session(
    keys: list[bytes], remembered: Remembered, topology: Topology, settings: Settings
) -> Reading:
    """Return how a session reads keys. The topology must be known."""
    versions = {}
    for key in keys:
        version = remembered.at_least(topology.partition_of(key).id)
        if version is not None:
            versions[key] = wire_version(version, "at_least")
    is_nearest = settings.read_from is ReadMode.NEAREST
    return _reading(ReadMode.NEAREST if is_nearest else ReadMode.ANY, versions)


def _chosen(read: ReadMode | str | None, settings: Settings) -> ReadMode | str | None:
    if read is None:
        return settings.read_from
    if read == ReadMode.NEAREST and not settings.zone:
        raise InvalidRequest(
            "read='nearest' needs to know where this client is: make it with zone=, the zone "
            "that the nodes beside it were started with"
        )
    return read


def _reading(
    read: ReadMode | str | None, at_least: Mapping[bytes, cache_pb2.Version] | None = None
) -> Reading:
    if read is None:
        return BY_THE_PRIMARY
    return Reading(wire_read(read), at_least, is_nearest=read == ReadMode.NEAREST)
