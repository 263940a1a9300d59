"""The newest view of the cluster, for whoever wants it, and waiting for a newer one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.view import ClusterView


class LatestView:
    """Written by one follower, read by many, in one event loop."""

    def __init__(self) -> None:
        self.view: ClusterView | None = None
        self._changed = asyncio.Condition()

    async def put(self, view: ClusterView) -> None:
        assert self.view is None or view.revision >= self.view.revision, "views only go forward"
        async with self._changed:
            self.view = view
            self._changed.notify_all()

    async def until(self, holds: Callable[[ClusterView], bool]) -> ClusterView:
        """Return the first view, now or later, of which ``holds`` is true."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.view is not None and holds(self.view))
            assert self.view is not None
            return self.view

    async def newer_than(self, revision: Revision, within_seconds: float) -> ClusterView:
        """Return a view past ``revision``, or what there is when the time is up."""
        return await self.soon(lambda view: view.revision > revision, within_seconds)

    async def soon(
        self, holds: Callable[[ClusterView], bool], within_seconds: float
    ) -> ClusterView:
        """Return the first view of which ``holds`` is true, or the newest when the time is up."""
        try:
            async with asyncio.timeout(within_seconds):
                return await self.until(holds)
        except TimeoutError:
            assert self.view is not None, "there has been a view"
            return self.view
