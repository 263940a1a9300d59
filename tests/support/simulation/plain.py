"""Registry records without their encoding, which is tested elsewhere, and is slow.

What is written is a number; what is read, the very record that was written under it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import watched_etcd
from shoal_coordinator.registry import apply
from shoal_coordinator.registry.operations import election, members, nodes, partitions

_KINDS = ("partition", "registration", "member", "config", "leader")
_USERS: tuple[ModuleType, ...] = (apply, election, members, nodes, partitions, watched_etcd)


class PlainRecords:
    """All records of one simulation."""

    def __init__(self) -> None:
        self._records: dict[bytes, Any] = {}
        self._numbers = itertools.count()

    def encode(self, record: object) -> bytes:
        value = b"%d" % next(self._numbers)
        self._records[value] = record
        return value

    def decode(self, _key: str, value: bytes) -> Any:
        return self._records[value]

    def forget(self) -> None:
        self._records.clear()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """In place of ``codec``, wherever a simulation comes by."""
        before: list[tuple[ModuleType, str, object]] = []
        for module in _USERS:
            for kind in _KINDS:
                for name, stands_in in (
                    (f"encode_{kind}", self.encode),
                    (f"decode_{kind}", self.decode),
                ):
                    if hasattr(module, name):
                        before.append((module, name, getattr(module, name)))
                        setattr(module, name, stands_in)
        try:
            yield
        finally:
            for module, name, was in before:
                setattr(module, name, was)
