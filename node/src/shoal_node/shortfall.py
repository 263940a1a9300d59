"""Which partitions served here have fewer copies in sync than the cluster wants.

Kept from turn to turn: only what a turn looks at, or changed, may be another than before
(``attention``), and a node serves hundreds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from shoal_coordinator.registry.records import PartitionId
from shoal_coordinator.registry.view import ClusterView
from shoal_node.local import Local


@dataclass(slots=True)
class Shortfall:
    """``copies_wanted``: of a partition, the primary's own among them."""

    copies_wanted: int
    _short: set[PartitionId] = field(default_factory=set)

    def after(
        self, view: ClusterView, local: Local, looked_at: Collection[PartitionId] | None
    ) -> int:
        """How many there are after a turn that looked at these; None: at all."""
        if looked_at is None:
            self._short = {it for it in local.serving if self._is_short(view, local, it)}
        else:
            for partition in local.changed.union(looked_at) if local.changed else looked_at:
                if self._is_short(view, local, partition):
                    self._short.add(partition)
                else:
                    self._short.discard(partition)
        return len(self._short)

    def _is_short(self, view: ClusterView, local: Local, partition: PartitionId) -> bool:
        held = view.partitions.get(partition)
        return (
            held is not None
            and partition in local.serving
            and len(held.record.in_sync) < self.copies_wanted
        )
