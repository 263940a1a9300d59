"""One suite for how data planes follow each other, and for their twins in memory.

The real ones are asked over their gRPC listeners, as a client would, and follow each
other over loopback; the twins go step by step whenever the test looks.
``SHOAL_WITHOUT_BRIDGE=1`` leaves the real ones out where they are not built.
"""

from __future__ import annotations

import binascii
import os
import select
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from shoal.v1 import cache_pb2, cache_pb2_grpc, topology_pb2
from shoal_node.data_plane import DataPlaneSettings
from shoal_node.data_plane_memory import MemoryDataPlane
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.network_memory import MemoryNetwork
from shoal_node.replication_status import PartitionReplication

PARTITIONS = 8
P = 3
KINDS = ("memory",) if os.environ.get("SHOAL_WITHOUT_BRIDGE") else ("memory", "bridge")


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Node(Protocol):
    """A started data plane with a deadline far ahead, and a client of it."""

    plane: DataPlanePort
    name: str
    address: str

    def set(self, key: bytes, value: bytes, *, in_sync: bool = False) -> str | None:
        """Write; the reason for which it was not acknowledged, if any."""
        ...

    def get(self, key: bytes) -> bytes | None: ...
    def move_on(self) -> None:
        """Let replication go on, where it does not by itself."""
        ...

    def close(self) -> None: ...


class MemoryNode:
    def __init__(self, name: str, network: MemoryNetwork) -> None:
        settings = DataPlaneSettings(name, f"{name}:1", PARTITIONS, 64 << 20, 1)
        self.memory = MemoryDataPlane(settings, boottime_ns, network)
        self.plane: DataPlanePort = self.memory
        self.name, self.address = name, self.memory.start()
        self.plane.set_lease_deadline(boottime_ns() + 300 * 10**9)

    def set(self, key: bytes, value: bytes, *, in_sync: bool = False) -> str | None:
        refusal = self.memory.refusal(P, in_sync=in_sync)
        if refusal is not None:
            return refusal
        version = self.memory.write(P, key, value)
        if not in_sync:
            return None
        self.memory.network.settle()
        return None if self.memory.is_replicated(P, version) else "NOT_REPLICATED"

    def get(self, key: bytes) -> bytes | None:
        return self.memory.read(P, key)

    def move_on(self) -> None:
        self.memory.network.settle()

    def close(self) -> None:
        self.plane.stop(0)


class BridgeNode:
    def __init__(self, name: str) -> None:
        from shoal_node._bridge import DataPlane

        settings = DataPlaneSettings(name, "127.0.0.1:0", PARTITIONS, 64 << 20, 1)
        self.plane: DataPlanePort = DataPlane(settings)
        self.name, self.address = name, self.plane.start()
        self.plane.set_lease_deadline(boottime_ns() + 300 * 10**9)
        self.channel = grpc.insecure_channel(self.address)
        self.stub = cache_pb2_grpc.CacheStub(self.channel)

    def set(self, key: bytes, value: bytes, *, in_sync: bool = False) -> str | None:
        ack = cache_pb2.ACK_IN_SYNC if in_sync else cache_pb2.ACK_PRIMARY
        request = cache_pb2.SetRequest(key=key, value=value, ack=ack, routed=True)
        try:
            self.stub.Set(request, timeout=15)
        except grpc.RpcError as error:
            return reason_of(error)
        return None

    def get(self, key: bytes) -> bytes | None:
        answer = self.stub.Get(cache_pb2.GetRequest(key=key, routed=True), timeout=15)
        return answer.value if answer.status == cache_pb2.HIT else None

    def move_on(self) -> None:
        """It goes on by itself."""

    def close(self) -> None:
        self.channel.close()
        self.plane.stop(0)


def reason_of(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None, error
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    raise AssertionError(f"no ErrorInfo in {error}")


def keys() -> Iterator[bytes]:
    """Keys of partition P."""
    for number in count():
        key = b"key%d" % number
        if binascii.crc_hqx(key, 0) % 16384 * PARTITIONS // 16384 == P:
            yield key


KEYS = [key for key, _ in zip(keys(), range(40), strict=False)]


@pytest.fixture(params=KINDS)
def nodes(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    network = MemoryNetwork()
    names = ("a", "b", "c")
    made: list[Node] = [
        MemoryNode(name, network) if request.param == "memory" else BridgeNode(name)
        for name in names
    ]
    topology = topology_pb2.Topology(
        cluster="test",
        revision=1,
        complete=True,
        partition_count=PARTITIONS,
        nodes=[
            topology_pb2.Node(id=it.name, address=it.address, weight=1, incarnation=it.name)
            for it in made
        ],
        partitions=[topology_pb2.Partition(id=P, epoch=1, primary="a")],
    ).SerializeToString()
    for node in made:
        node.plane.install_topology(topology)
    yield made
    for node in made:
        node.close()


def copy_of(node: Node) -> PartitionReplication:
    (told,) = [it for it in node.plane.replication() if it.partition == P]
    return told


def until(node: Node, holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, f"{what}; last: {node.plane.replication()}"
        node.move_on()
        time.sleep(0.01)


def follow(node: Node, primary: Node, epoch: int = 1) -> None:
    copy_id = f"run{node.name}-1"
    node.plane.follow_partition(P, primary.name, primary.address, epoch, copy_id)


def caught_up(primary: Node, follower: Node) -> None:
    """Until the primary knows that this copy has everything."""

    def has_all() -> bool:
        told = copy_of(primary)
        copy_id = copy_of(follower).copy_id
        return any(
            (it.node, it.copy_id) == (follower.name, copy_id)
            and it.acked_seq >= told.head_seq
            and it.is_streaming
            for it in told.followers
        )

    until(primary, has_all, f"{follower.name} caught up")


def led_by_a(nodes: list[Node]) -> tuple[Node, Node, Node]:
    """a serves partition P, with some entries; the others are there."""
    a, b, c = nodes
    a.plane.open_partition(P, 1, "runa-1")
    a.plane.require_copies(P, [], 1)
    for key in KEYS[:10]:
        assert a.set(key, b"value of " + key) is None
    return a, b, c


def test_a_follower_comes_to_have_everything_and_serves_nothing(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    news = a.plane.replication_news()
    follow(b, a)
    caught_up(a, b)
    assert a.plane.replication_news() > news
    told = copy_of(b)
    assert (told.role, told.seq, told.epoch) == ("follower", copy_of(a).head_seq, 1)
    assert copy_of(a).role == "primary"
    assert b.set(KEYS[0], b"x") == "MOVED"
    assert a.set(KEYS[11], b"later") is None
    caught_up(a, b)


def rings(node: Node, within_seconds: float = 0.0) -> bool:
    """Whether its bell rings; heard, it is silent again."""
    bell = node.plane.replication_bell()
    deadline = time.monotonic() + within_seconds
    while not select.select([bell], [], [], 0.01)[0]:
        node.move_on()
        if time.monotonic() >= deadline:
            return False
    os.read(bell, 4096)
    return True


def test_the_bell_rings_for_news_once_until_they_are_asked_for(nodes: list[Node]) -> None:
    a, b, c = led_by_a(nodes)
    assert rings(a), "for what was before"
    asked = a.plane.replication_news()
    assert not rings(a)
    follow(b, a)
    assert rings(a, within_seconds=20)
    caught_up(a, b)
    assert not rings(a), "it was not asked for since"
    assert a.plane.replication_news() > asked
    assert a.plane.take_replication_changed() == [P]
    assert a.plane.take_replication_changed() == []
    follow(c, a)
    assert rings(a, within_seconds=20)


def test_a_promoted_copy_has_the_data(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    follow(b, a)
    caught_up(a, b)
    a.close()
    b.plane.promote_partition(P, 2)
    assert b.plane.require_copies(P, [], 1) == copy_of(b).head_seq
    assert copy_of(b).role == "primary"
    assert [b.get(key) for key in KEYS[:10]] == [b"value of " + key for key in KEYS[:10]]
    assert b.set(KEYS[12], b"new") is None
    assert copy_of(b).copy_id == "runb-1"


def test_an_in_sync_write_waits_for_every_required_copy(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    follow(b, a)
    caught_up(a, b)
    head = a.plane.require_copies(P, [("b", "runb-1")], 2)
    assert head == copy_of(a).head_seq
    assert a.set(KEYS[11], b"both", in_sync=True) is None
    assert copy_of(b).seq == copy_of(a).head_seq
    a.plane.require_copies(P, [("b", "runb-1"), ("c", "runc-1")], 2)
    assert a.set(KEYS[12], b"not all", in_sync=True) == "NOT_REPLICATED"
    a.plane.require_copies(P, [("b", "runb-1")], 2)
    assert a.set(KEYS[13], b"all", in_sync=True) is None


def test_below_min_in_sync_only_in_sync_writes_are_refused(nodes: list[Node]) -> None:
    a, _, _ = led_by_a(nodes)
    a.plane.set_min_in_sync(2)
    assert a.set(KEYS[11], b"x", in_sync=True) == "TOO_FEW_COPIES"
    assert a.set(KEYS[11], b"x") is None
    a.plane.set_min_in_sync(1)
    assert a.set(KEYS[11], b"x", in_sync=True) is None


def test_a_hand_over_drains_swaps_and_goes_on_without_a_new_copy(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    follow(b, a)
    caught_up(a, b)
    assert a.set(KEYS[11], b"just before") is None
    a.plane.freeze_partition(P)
    assert a.plane.drain_partitions([(P, "runb-1")], 15_000) == [True]
    assert copy_of(b).seq == copy_of(a).head_seq
    b.plane.promote_partition(P, 2)
    b.plane.require_copies(P, [("a", "runa-1")], 2)
    follow(a, b, epoch=2)
    caught_up(b, a)
    assert (copy_of(a).role, copy_of(a).copy_id) == ("follower", "runa-1")
    assert b.get(KEYS[11]) == b"just before"
    assert b.set(KEYS[12], b"after", in_sync=True) is None


def test_a_copy_that_does_not_follow_is_not_drained(nodes: list[Node]) -> None:
    a, _, _ = led_by_a(nodes)
    a.plane.freeze_partition(P)
    assert a.plane.drain_partitions([(P, "runb-1")], 50) == [False]


def test_a_copy_that_went_another_way_drops_what_it_had_and_is_another_copy(
    nodes: list[Node],
) -> None:
    a, b, c = led_by_a(nodes)
    follow(b, a)
    follow(c, a)
    caught_up(a, b)
    caught_up(a, c)
    c.plane.follow_partition(P, "a", "", 1, "ignored")
    b.plane.follow_partition(P, "a", "", 1, "ignored")
    # What only a has is lost with it.
    for key in KEYS[20:25]:
        assert a.set(key, b"alone") is None
    b.plane.promote_partition(P, 2)
    b.plane.require_copies(P, [], 1)
    assert b.set(KEYS[30], b"instead") is None
    follow(c, b, epoch=2)
    follow(a, b, epoch=2)
    caught_up(b, c)
    caught_up(b, a)
    assert copy_of(c).copy_id == "runc-1"
    anew = copy_of(a).copy_id
    assert anew != "runa-1"
    assert anew.startswith("runa-")
    a.plane.promote_partition(P, 3)
    a.plane.require_copies(P, [], 1)
    assert a.get(KEYS[20]) is None
    assert a.get(KEYS[30]) == b"instead"
    assert a.get(KEYS[0]) == b"value of " + KEYS[0]


def test_an_empty_successor_empties_its_followers(nodes: list[Node]) -> None:
    a, b, c = led_by_a(nodes)
    follow(b, a)
    caught_up(a, b)
    c.plane.open_partition(P, 2, "runc-1")
    c.plane.require_copies(P, [], 1)
    follow(b, c, epoch=2)
    caught_up(c, b)
    assert copy_of(b).copy_id != "runb-1"
    assert copy_of(b).seq == copy_of(c).head_seq


def test_without_an_address_a_primary_is_demoted_and_a_copy_is_kept(nodes: list[Node]) -> None:
    a, _, _ = led_by_a(nodes)
    a.plane.follow_partition(P, "gone", "", 2, "ignored")
    told = copy_of(a)
    assert (told.role, told.copy_id) == ("follower", "runa-1")
    assert a.set(KEYS[0], b"x") in {"MOVED", "NO_OWNER"}
    a.plane.promote_partition(P, 3)
    a.plane.require_copies(P, [], 1)
    assert a.get(KEYS[0]) == b"value of " + KEYS[0]


def test_what_cannot_be_is_refused(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    follow(b, a, epoch=2)
    for impossible in (
        lambda: b.plane.open_partition(P, 3, "runb-2"),
        lambda: b.plane.require_copies(P, [], 1),
        lambda: b.plane.follow_partition(P, "a", a.address, 1, "runb-1"),
        lambda: a.plane.promote_partition(P, 2),
        lambda: a.plane.promote_partition(P + 1, 2),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  which of them it is does not matter
            impossible()


def test_a_closed_copy_is_gone(nodes: list[Node]) -> None:
    a, b, _ = led_by_a(nodes)
    follow(b, a)
    caught_up(a, b)
    b.plane.close_partition(P)
    assert b.plane.replication() == []
    b.plane.follow_partition(P, a.name, a.address, 1, "runb-2")
    caught_up(a, b)
    assert copy_of(b).copy_id == "runb-2"
