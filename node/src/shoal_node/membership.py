"""Keeps this node registered: a lease, its upkeep, the key, and all of it again when lost.

The incarnation stays the same over the loss of a lease: the data is still there,
and what nobody took is resumed (DESIGN 6). The fence is down from the loss until
the agent has seen the new registration and what it still owns.

A node whose data path is not well does not register: it would lose the lease again.

Non-goal: what the node owns. It tells the agent through ``local`` and ``changed``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import NameTaken, announce_leaving, register_node
from shoal_coordinator.registry.port import (
    Lease,
    LeaseId,
    LeaseLost,
    OutcomeUnknown,
    Store,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    StoreWentBack,
)
from shoal_coordinator.registry.records import NodeRegistration
from shoal_coordinator.registry.upkeep import UpkeepCallbacks
from shoal_coordinator.registry.view import LiveNode
from shoal_node.admission import AlreadyIn, Enter, Refuse, WaitFor, admit
from shoal_node.errors import IdInUse
from shoal_node.fence import Fence
from shoal_node.local import Local

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.2
_REVOKE_SECONDS = 2.0
_MS_PER_SECOND = 1000

Offload = Callable[[Callable[[], object]], Awaitable[object]]
"""Runs what blocks where it does not stall the event loop: ``asyncio.to_thread``."""


class Upkeep(Protocol):
    """Renews one lease until it is stopped, as ``LeaseUpkeep`` does."""

    def start(self) -> None: ...
    def stop(self) -> None:
        """Blocks briefly."""
        ...


StartUpkeep = Callable[[Lease, int, UpkeepCallbacks], Upkeep]
"""Makes the upkeep of a lease that was asked for at this CLOCK_BOOTTIME."""


@dataclass(frozen=True, slots=True)
class MembershipPorts:
    """What membership reaches the world through."""

    store: Store
    keys: Keys
    is_well: Callable[[], bool]
    """The probe of the data path; blocks briefly, called off the event loop."""
    make_upkeep: StartUpkeep
    clock_ns: Callable[[], int]
    offload: Offload


class Membership:
    """This node's registration over the life of its process."""

    def __init__(
        self,
        ports: MembershipPorts,
        registration: NodeRegistration,
        lease_ttl_seconds: int,
        fence: Fence,
        local: Local,
        standing: Callable[[], LiveNode | None],
        changed: Callable[[], None],
    ) -> None:
        self._ports = ports
        self._registration = registration
        self._lease_ttl_seconds = lease_ttl_seconds
        self._fence = fence
        self._local = local
        self._standing = standing
        self._changed = changed
        self._patience_ms = 2 * lease_ttl_seconds * _MS_PER_SECOND
        self._lease: LeaseId | None = None
        self._upkeep: Upkeep | None = None
        self._lost: asyncio.Future[str] | None = None
        self._said: set[str] = set()

    async def run(self) -> None:
        """Join, and join again after every loss. Raises IdInUse and StoreWentBack."""
        while True:
            mine = await self._join()
            self._said.clear()
            self._local.registered(mine, self._ports.clock_ns() // 1_000_000)
            self._changed()
            assert self._lost is not None
            why = await self._lost
            _log.warning(f"registration lost: {why}")
            await self._let_go()

    def lose(self, why: str) -> None:
        """Take it that the registration is gone, and fence. In the event loop's thread."""
        self._fence.fall()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(why)

    async def announce_leaving(self) -> None:
        """Let nobody give this node more. Without etcd's answer it leaves all the same."""
        mine = self._local.registration
        if mine is None:
            return
        try:
            await announce_leaving(self._ports.store, self._ports.keys, mine)
        except StoreError as error:
            _log.warning(f"could not announce that this node leaves: {error}")

    async def leave(self) -> None:
        """Give the lease back, so that others need not wait for its end."""
        await self._let_go()

    async def _join(self) -> LiveNode:
        waiting_since_ms: int | None = None
        named: LiveNode | None = None
        while True:
            now_ms = self._ports.clock_ns() // 1_000_000
            # What a failed registration found is newer than the view.
            standing, named = named or self._standing(), None
            if standing is None:
                waiting_since_ms = None
            elif waiting_since_ms is None:
                waiting_since_ms = now_ms
            admission = admit(
                standing,
                self._registration.incarnation,
                self._lease,
                waiting_since_ms or now_ms,
                now_ms,
                self._patience_ms,
            )
            self._say(str(admission))
            match admission:
                case AlreadyIn(standing=mine):
                    return mine
                case Refuse():
                    raise IdInUse(str(admission))
                case WaitFor():
                    pass
                case Enter(predecessor=predecessor):
                    outcome = await self._enter(predecessor)
                    if outcome is not None and self._is_mine(outcome):
                        return outcome
                    named = outcome
                case _:
                    assert_never(admission)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _is_mine(self, node: LiveNode) -> bool:
        return (
            node.registration.incarnation == self._registration.incarnation
            and node.lease == self._lease
        )

    async def _enter(self, predecessor: LiveNode | None) -> LiveNode | None:
        """Register; return who stands under this node's id afterwards, if that is known."""
        try:
            lease = await self._leased()
            if lease is None:
                return None
            outcome = await register_node(
                self._ports.store, self._ports.keys, self._registration, lease, predecessor
            )
        except StoreWentBack:
            raise
        except LeaseLost as lost:
            self._say(f"not registered: {lost}")
            await self._let_go()
            return None
        except (StoreUnavailable, StoreRefused, OutcomeUnknown) as error:
            self._say(f"not registered: {error}")
            return None
        if isinstance(outcome, NameTaken):
            return outcome.standing
        return LiveNode(self._registration, outcome.create_revision, lease)

    async def _leased(self) -> LeaseId | None:
        """The lease that is being kept; a new one if there is none. None: the node is not well."""
        if self._lost is not None and self._lost.done():
            await self._let_go()
        if self._lease is not None:
            return self._lease
        if not await self._ports.offload(self._ports.is_well):
            self._say("not registering: the data path does not answer its probe")
            return None
        sent_ns = self._ports.clock_ns()
        lease = await self._ports.store.grant_lease(self._lease_ttl_seconds)
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()
        self._lease, self._lost = lease.id, lost

        def on_lost(why: LeaseLost) -> None:
            self._fence.fall(lease.id)
            loop.call_soon_threadsafe(_resolve, lost, str(why))

        callbacks = UpkeepCallbacks(
            may_renew=self._ports.is_well,
            renewed=lambda deadline_ns: self._fence.renewed(lease.id, deadline_ns),
            lost=on_lost,
            confirmed=self._fence.confirmed,
        )
        self._fence.begin(lease.id)
        self._upkeep = self._ports.make_upkeep(lease, sent_ns, callbacks)
        self._upkeep.start()
        return lease.id

    def _say(self, sentence: str) -> None:
        """Log what is new; attempts repeat several times a second."""
        if sentence not in self._said:
            self._said.add(sentence)
            _log.info(sentence)

    async def _let_go(self) -> None:
        """Fence, end the upkeep, and give the lease back if it can be done quickly."""
        self._fence.fall()
        self._local.lost_registration()
        self._changed()
        upkeep, lease = self._upkeep, self._lease
        self._upkeep, self._lease, self._lost = None, None, None
        if upkeep is not None:
            await self._ports.offload(upkeep.stop)
        if lease is not None:
            try:
                async with asyncio.timeout(_REVOKE_SECONDS):
                    await self._ports.store.revoke_lease(lease)
            except (StoreError, TimeoutError) as error:
                _log.info("the lease is left to run out", why=str(error))


def _resolve(future: asyncio.Future[str], why: str) -> None:
    if not future.done():
        future.set_result(why)
