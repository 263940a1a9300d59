"""Roles, and who has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What a role may allow."""

    READ = "read"
    """To read keys. Together with ``write``, to be told to load a value."""
    WRITE = "write"
    """To change keys: to set, delete, count, touch, and give the right to load back."""
    INVALIDATE = "invalidate"
    """To invalidate tags."""
    WATCH = "watch"
    """To follow who owns what, and what a near cache may no longer hold of these prefixes."""
    INSPECT = "inspect"
    """To see what a node knows of its work: that tells keys."""
    ADMIN = "admin"
    """To see and change the cluster, at any coordinator."""
    PEER = "peer"
    """To be a node or a coordinator of the cluster: that is to read and write everything."""


PREFIXED: Final = frozenset(
    {Operation.READ, Operation.WRITE, Operation.INVALIDATE, Operation.WATCH}
)
"""Operations that a role allows for its prefixes; the others it allows as such."""
HELD_TO_PREFIXES: Final = PREFIXED - {Operation.WATCH}
"""Operations that are nothing without a prefix."""


@dataclass(frozen=True, slots=True)
class Role:
    """What may be done, and with which keys: those, and tags, that begin with a prefix."""

    name: str
    operations: frozenset[Operation]
    prefixes: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody who shows a token. ``sha256`` is that of the token, 32 bytes."""

    name: str
    sha256: bytes
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who shows a certificate: ``name`` is a DNS or URI name that it holds."""

    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Invariants: no name, digest or role stands twice, and every role that is had is there."""

    roles: tuple[Role, ...] = ()
    tokens: tuple[Token, ...] = ()
    identities: tuple[Identity, ...] = ()

    def table(
        self,
    ) -> tuple[
        list[tuple[list[str], list[bytes]]],
        list[tuple[bytes, list[int]]],
        list[tuple[str, list[int]]],
    ]:
        """Roles, tokens and identities as a data plane takes them: roles by their places."""
        places = {role.name: place for place, role in enumerate(self.roles)}
        return (
            [(sorted(role.operations), sorted(role.prefixes)) for role in self.roles],
            [(token.sha256, [places[role] for role in token.roles]) for token in self.tokens],
            [(it.name, [places[role] for role in it.roles]) for it in self.identities],
        )
