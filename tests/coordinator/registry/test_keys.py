"""Where things stand in etcd."""

from __future__ import annotations

import pytest

from shoal_coordinator.registry.keys import BadName, Keys
from shoal_coordinator.registry.records import NodeId, PartitionId


def test_the_keys_of_a_cluster() -> None:
    keys = Keys("shop")
    assert keys.config == "/shoal/shop/config"
    assert keys.leader == "/shoal/shop/leader"
    assert keys.node(NodeId("n-1.a")) == "/shoal/shop/nodes/n-1.a"
    assert keys.member(NodeId("n1")) == "/shoal/shop/members/n1"
    assert keys.partition(PartitionId(7)) == "/shoal/shop/partitions/00007"
    assert keys.partition(PartitionId(16383)) == "/shoal/shop/partitions/16383"


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-a", "a b", "a" * 64, "a\n", "é"])
def test_what_cannot_stand_in_a_key_is_refused(name: str) -> None:
    with pytest.raises(BadName, match="not usable"):
        Keys(name)
    with pytest.raises(BadName, match="node id"):
        Keys("c").node(NodeId(name))
