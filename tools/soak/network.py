"""Where the processes of a cluster stand, and what lies between them, as a port.

A *place* is the name of a process; "client" is where the clients and the test itself are.
Two implementations: ``namespaces``, where every place is a network namespace of its own,
and ``proxies``, where all share loopback and the test's own proxies stand between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Network(Protocol):
    """Faults add up until ``heal`` takes all of them back."""

    @property
    def kind(self) -> str:
        """For reports."""
        ...

    def listen(self, place: str) -> Address:
        """A free address for a listener at this place."""
        ...

    def within(self, place: str, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` at this place."""
        ...

    def reach(self, source: str, target: str, listener: Address) -> Address:
        """How ``source`` reaches a listener at ``target``; "" as source: how anyone does."""
        ...

    def cut(self, source: str, target: str) -> None:
        """Lose what ``source`` sends to ``target``; the other direction stays."""
        ...

    def slow(self, place: str, bytes_per_second: int) -> None:
        """Bound what leaves a place."""
        ...

    def stopped(self) -> int:
        """How many bytes or packets the faults of now have stopped or delayed so far."""
        ...

    def heal(self) -> None: ...

    def close(self) -> None: ...
