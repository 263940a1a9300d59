"""Where things stand in etcd (DESIGN 4). The only place that spells a key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shoal_coordinator.registry.records import NodeId, PartitionId

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadName(ValueError):
    """A cluster or node name that cannot stand in a key."""


@lru_cache(maxsize=4096)
def checked_name(kind: str, name: str) -> str:
    """Return ``name`` if it can be part of a key, else raise ``BadName``."""
    if not _NAME.fullmatch(name):
        raise BadName(
            f"{kind} {name!r} is not usable: take 1 to 63 letters, digits, '.', '_' or '-', "
            "the first a letter or digit"
        )
    return name


def prefix_of(cluster: str) -> str:
    """What the keys of a cluster begin with, whose name was checked before."""
    return f"/shoal/{cluster}/"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one cluster."""

    cluster: str

    def __post_init__(self) -> None:
        checked_name("cluster name", self.cluster)

    @property
    def prefix(self) -> str:
        return prefix_of(self.cluster)

    @property
    def config(self) -> str:
        return f"{self.prefix}config"

    @property
    def leader(self) -> str:
        return f"{self.prefix}leader"

    @property
    def rebalances(self) -> str:
        """Beside ``prefix``, which every process watches."""
        return f"/shoal-reports/{self.cluster}/rebalances/"

    def rebalance(self, number: int) -> str:
        # Eight digits, so that keys sort as numbers do.
        return f"{self.rebalances}{number:08d}"

    def node(self, node: NodeId) -> str:
        return f"{self.prefix}nodes/{checked_name('node id', node)}"

    def member(self, node: NodeId) -> str:
        return f"{self.prefix}members/{checked_name('node id', node)}"

    def partition(self, partition: PartitionId) -> str:
        # Five digits, so that keys sort as numbers do.
        return f"{self.prefix}partitions/{partition:05d}"
