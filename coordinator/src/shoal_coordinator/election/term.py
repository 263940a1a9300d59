"""One term of leadership: from a vacancy seen, over the lease and the vote, to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Elected, campaign, resign
from shoal_coordinator.registry.port import Lease, LeaseLost, Store, StoreError
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.registry.upkeep import LeaseUpkeep, UpkeepCallbacks, boottime_ns
from shoal_coordinator.registry.view import ElectedLeader

_log = structlog.get_logger(__name__)
_GOODBYE_SECONDS = 2.0
_NANOSECONDS = 1_000_000_000


class Term:
    """A leadership that was won. ``ended`` says why it is over."""

    def __init__(self, leadership: ElectedLeader, upkeep: LeaseUpkeep) -> None:
        self.leadership = leadership
        self.upkeep = upkeep
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, why: str) -> None:
        """Call it in the event loop. The first reason stands."""
        if not self.ended.done():
            self.ended.set_result(why)


class Candidate:
    """Stands for election whenever nobody leads. One term at a time."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        leader: CoordinatorLeader,
        lease_ttl_seconds: int,
        may_renew: Callable[[], bool],
    ) -> None:
        self._store = store
        self._keys = keys
        self._leader = leader
        self._lease_ttl_seconds = lease_ttl_seconds
        self._may_renew = may_renew

    async def stand(self) -> Term | None:
        """Ask for a lease and for the leadership. None: somebody else has it.

        Raises StoreError.
        """
        granted_ns = boottime_ns()
        lease = await self._store.grant_lease(self._lease_ttl_seconds)
        loop = asyncio.get_running_loop()
        terms: list[Term] = []

        def lost(error: LeaseLost) -> None:
            def end() -> None:
                for term in terms:
                    term.end(str(error))

            loop.call_soon_threadsafe(end)

        upkeep = LeaseUpkeep(
            self._store.lease_keeper(),
            lease,
            granted_ns,
            UpkeepCallbacks(self._may_renew, lambda _deadline_ns: None, lost),
        )
        upkeep.start()
        try:
            answer = await campaign(self._store, self._keys, self._leader, lease.id)
        except BaseException:
            await self._give_back(lease, upkeep)
            raise
        if not isinstance(answer, Elected):
            await self._give_back(lease, upkeep)
            return None
        term = Term(answer.leadership, upkeep)
        terms.append(term)
        if not upkeep.alive:
            term.end("the lease was lost during the election")
        return term

    async def close(self, term: Term) -> None:
        """Resign, so that another need not wait for the lease to end. Raises nothing."""
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await resign(self._store, self._keys, term.leadership)
        await self._give_back(Lease(term.upkeep.lease_id, self._lease_ttl_seconds), term.upkeep)

    async def _give_back(self, lease: Lease, upkeep: LeaseUpkeep) -> None:
        await asyncio.to_thread(upkeep.stop)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._store.revoke_lease(lease.id)
        except (StoreError, TimeoutError) as error:
            _log.info("the lease is left to run out", why=str(error))


async def watch_over(term: Term, latest: LatestView) -> None:
    """End the term once the lease may no longer be trusted, or another election is seen.

    Returns then.
    """
    created = term.leadership.create_revision

    async def until_superseded() -> None:
        view = await latest.until(
            lambda view: (
                view.revision >= created
                and (view.leader is None or view.leader.create_revision != created)
            )
        )
        by = "nobody" if view.leader is None else view.leader.leader.id
        term.end(f"the registry shows {by} as leader")

    async def until_untrusted() -> None:
        left_ns = term.upkeep.deadline_ns - boottime_ns()
        while left_ns > 0:
            await asyncio.sleep(left_ns / _NANOSECONDS)
            left_ns = term.upkeep.deadline_ns - boottime_ns()
        term.end("the lease was not renewed in time")

    watchers = [asyncio.create_task(until_superseded()), asyncio.create_task(until_untrusted())]
    try:
        await asyncio.shield(term.ended)
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
