"""What one caller may do, all of its roles together.

The same decision as ``node/server/src/access/rights.rs`` makes, and asker.rs.
"""

from __future__ import annotations

import hmac
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shoal_coordinator.access.bearer import Unreadable, shown
from shoal_coordinator.access.policy import HELD_TO_PREFIXES, PREFIXED, Operation, Policy, Role


@dataclass(frozen=True, slots=True)
class Rights:
    """``prefixes`` of every operation that is had: sorted, and none begins with another."""

    prefixes: Mapping[Operation, Sequence[bytes]] = field(default_factory=dict)

    def may(self, operation: Operation, name: bytes = b"") -> bool:
        """Whether it may do this, with this key or tag where the operation is held to them."""
        had = self.prefixes.get(operation)
        if had is None:
            return False
        if operation not in PREFIXED:
            return True
        # Of those that are not above the name, only the last can be a prefix of it: one
        # before that would be a prefix of the last as well.
        above = bisect_right(had, name)
        return above > 0 and name.startswith(had[above - 1])

    def may_at_all(self, operation: Operation) -> bool:
        """Whether it may do this with anything."""
        return operation in self.prefixes


class Access:
    """A policy, ready to be asked. Immutable."""

    def __init__(self, policy: Policy) -> None:
        roles = {role.name: role for role in policy.roles}
        self._tokens = {
            token.sha256: (token.sha256, [roles[name] for name in token.roles])
            for token in policy.tokens
        }
        self._identities = {
            identity.name: [roles[name] for name in identity.roles]
            for identity in policy.identities
        }

    def rights(self, authorization: str | None, names: Iterable[str]) -> Rights | None:
        """What a caller may do who shows this; None: it is nobody that is known.

        ``authorization`` as it stands in the head, ``names`` of a certificate that was
        verified.
        """
        had: list[Role] = []
        is_known = False
        try:
            digest = shown(authorization)
        except Unreadable:
            return None
        if digest is not None:
            # Found by a digest, which nobody can choose, and compared whole.
            known, roles = self._tokens.get(digest, (b"", []))
            if not hmac.compare_digest(known, digest):
                return None
            is_known = True
            had += roles
        for name in names:
            if name in self._identities:
                is_known = True
                had += self._identities[name]
        return rights_of(had) if is_known else None


def rights_of(roles: Iterable[Role]) -> Rights:
    """Everything that any of the roles allows."""
    had: dict[Operation, set[bytes]] = {}
    for role in roles:
        for operation in role.operations:
            had.setdefault(operation, set()).update(role.prefixes)
        if Operation.PEER in role.operations:
            # What it sends on is another's, who was asked about it there.
            for operation in HELD_TO_PREFIXES:
                had.setdefault(operation, set()).add(b"")
    return Rights({operation: _least(prefixes) for operation, prefixes in had.items()})


def _least(prefixes: Iterable[bytes]) -> list[bytes]:
    least: list[bytes] = []
    for prefix in sorted(prefixes):
        if not least or not prefix.startswith(least[-1]):
            least.append(prefix)
    return least
