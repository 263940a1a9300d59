"""The store behind the registry, as a port.

Two implementations stand behind it: ``etcd`` (the real one) and ``memory`` (its
twin for tests and simulation). Both pass ``tests/coordinator/registry/
test_store_conformance.py``. The contract is etcd's own, narrowed to what Shoal uses.

Every call has a deadline. Errors are the tree below; nothing else escapes.

    StoreError
    ├── StoreUnavailable     not applied, or only read: safe to repeat
    ├── OutcomeUnknown       a commit was sent and its answer lost: read back first
    ├── StoreRefused         the request is wrong or not permitted: repeating is no use
    ├── LeaseLost            the lease is gone; what was bound to it is, too
    ├── Compacted            a watch asked for revisions that no longer exist
    └── StoreWentBack        another etcd cluster, or an older backup of this one
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

Revision = NewType("Revision", int)
"""etcd's store-wide counter: rises with every commit that changes anything."""

LeaseId = NewType("LeaseId", int)

NO_LEASE = LeaseId(0)
ABSENT = Revision(0)
"""The create and mod revision of a key that is not there."""


class StoreError(Exception):
    """Base of everything that a store raises."""


class StoreUnavailable(StoreError):
    """The store did not answer, and nothing was applied."""


class OutcomeUnknown(StoreError):
    """A commit was sent and may or may not have been applied."""


class StoreRefused(StoreError):
    """The store said no, and will say so again. Nothing was applied."""


class LeaseLost(StoreError):
    """The lease does not exist (any more)."""


class Compacted(StoreError):
    """The revisions asked for are compacted away; read the prefix again.

    ``revision`` is the oldest that can still be watched from.
    """

    def __init__(self, revision: Revision) -> None:
        super().__init__(f"compacted up to revision {revision}; read the prefix again")
        self.revision = revision


class StoreWentBack(StoreError):
    """The store's cluster id changed or its revision fell: a restored backup."""


@dataclass(frozen=True, slots=True)
class Item:
    """One key as it stands at some revision."""

    key: str
    value: bytes
    create_revision: Revision
    mod_revision: Revision
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Reading:
    """All items under a prefix, ordered by key, at one revision."""

    revision: Revision
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class CreatedAt:
    """Holds while the key's create_revision is this. ``ABSENT``: while it is not there."""

    key: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class ModifiedAt:
    """Holds while the key's mod_revision is this. ``ABSENT``: while it is not there."""

    key: str
    revision: Revision


Guard = CreatedAt | ModifiedAt


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    value: bytes
    lease: LeaseId = NO_LEASE


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


Change = Put | Delete


@dataclass(frozen=True, slots=True)
class Committed:
    """Answer to ``commit``.

    ``won``: every guard held, and all changes were applied at ``revision``.
    Otherwise nothing was, and ``found`` holds the keys asked for as they stand.
    """

    won: bool
    revision: Revision
    found: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A key was written."""

    item: Item


@dataclass(frozen=True, slots=True)
class Removed:
    """A key was deleted, or its lease ran out."""

    key: str
    revision: Revision


Event = Changed | Removed


@dataclass(frozen=True, slots=True)
class Events:
    """All events of one or more revisions, in order; never part of a revision.

    ``revision`` is the last one covered. Empty events are a sign of life.
    """

    revision: Revision
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Lease:
    id: LeaseId
    ttl_seconds: int
    """What the store granted, which may be more than what was asked for."""


class Store(Protocol):
    """Linearizable keys, guarded commits, leases and watches."""

    async def read(self, prefix: str) -> Reading:
        """Read every key that starts with ``prefix``. Raises StoreUnavailable."""
        ...

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        """Apply all changes if all guards hold, else read ``on_loss_read``.

        Raises StoreUnavailable when it was certainly not applied, OutcomeUnknown
        when it may have been, LeaseLost when a Put names a lease that is gone.
        Never repeats by itself a commit that may have been applied.
        """
        ...

    def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        """Yield what changes under ``prefix`` after a revision: no gap, no duplicate, in order.

        Survives the loss of a connection or of an endpoint by resuming where it
        was. Raises Compacted and StoreWentBack; StoreUnavailable never: it waits.
        Close it (``contextlib.aclosing``) to stop watching.
        """
        ...

    async def grant_lease(self, ttl_seconds: int) -> Lease:
        """Raises StoreUnavailable; a grant whose answer was lost expires by itself."""
        ...

    async def revoke_lease(self, lease: LeaseId) -> None:
        """End a lease and what is bound to it. One that is gone already is no error."""
        ...

    def lease_keeper(self) -> LeaseKeeper:
        """A keeper with a connection of its own, for a thread of its own."""
        ...

    async def close(self) -> None: ...


class LeaseKeeper(Protocol):
    """Keeps one lease alive from a thread: no event loop can delay it."""

    def keep_alive(self, lease: LeaseId, timeout_seconds: float) -> int:
        """Renew once; return the TTL in seconds, counted from before the call.

        Blocks up to the timeout. Raises LeaseLost or StoreUnavailable.
        """
        ...

    def close(self) -> None: ...
