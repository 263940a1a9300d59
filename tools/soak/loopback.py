"""A network of loopback with nothing in between: for measurements. It can not be cut."""

# ruff: noqa: ARG002  a port says what its implementations are told, needed or not
from __future__ import annotations

import random
from collections.abc import Sequence

from tools.soak.network import Address

from shoal.cli.up.ports import HOST, free_ports


class Loopback:
    """A ``Network`` without faults."""

    kind = "loopback"

    def __init__(self) -> None:
        self._ports = free_ports(random.Random())

    def listen(self, place: str) -> Address:
        return Address(HOST, next(self._ports))

    def within(self, place: str, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def reach(self, source: str, target: str, listener: Address) -> Address:
        return listener

    def cut(self, source: str, target: str) -> None:
        raise AssertionError("nothing lies between that could be cut")

    def slow(self, place: str, bytes_per_second: int) -> None:
        raise AssertionError("nothing lies between that could be slowed")

    def stopped(self) -> int:
        return 0

    def heal(self) -> None: ...

    def close(self) -> None: ...
