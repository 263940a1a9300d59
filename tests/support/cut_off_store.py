"""A registry in memory that can be cut off at the worst moment."""

from __future__ import annotations

from typing import Any

from shoal_coordinator.registry.memory import CommitFault, MemoryStore
from shoal_coordinator.registry.port import Committed, Reading, StoreUnavailable


class CutOffStore(MemoryStore):
    """May be cut off once a commit was sent: nothing is heard of it, and nothing follows."""

    cut_off_after_commit = False
    is_cut_off = False

    async def commit(self, *args: Any, **named: Any) -> Committed:
        if self.is_cut_off:
            raise StoreUnavailable("cut off")
        if self.cut_off_after_commit:
            self.is_cut_off = True
            self.fail_commits(CommitFault.LOST_AFTER)
        return await super().commit(*args, **named)

    async def read(self, prefix: str) -> Reading:
        if self.is_cut_off:
            raise StoreUnavailable("cut off")
        return await super().read(prefix)
