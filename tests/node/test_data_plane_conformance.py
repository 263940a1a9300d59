"""One suite for the data plane and for its twin in memory.

The real one is asked over its gRPC listener, as a client would.
``SHOAL_WITHOUT_BRIDGE=1`` leaves it out where it is not built; nothing else does.
"""

from __future__ import annotations

import binascii
import os
import time
from collections.abc import Iterator
from itertools import count
from typing import Protocol

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from shoal.v1 import cache_pb2, cache_pb2_grpc, topology_pb2
from shoal_node.data_plane import DataPlaneSettings, DataPlaneTls
from shoal_node.data_plane_memory import MemoryDataPlane
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.snapshot import Biggest, Hottest, PartitionUse, SlowLog, Snapshot

PARTITIONS = 8
NODE = "me"
KINDS = ("memory",) if os.environ.get("SHOAL_WITHOUT_BRIDGE") else ("memory", "bridge")


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def a_second_ahead() -> int:
    return boottime_ns() + 10**9


class Subject(Protocol):
    """A started data plane, and the reason for which it does not acknowledge a write."""

    plane: DataPlanePort

    def refusal(self, partition: int) -> str | None: ...
    def is_ready(self) -> bool: ...


class MemorySubject:
    def __init__(self, settings: DataPlaneSettings) -> None:
        self.memory = MemoryDataPlane(settings, boottime_ns)
        self.plane: DataPlanePort = self.memory
        self.plane.start()

    def refusal(self, partition: int) -> str | None:
        return self.memory.refusal(partition)

    def is_ready(self) -> bool:
        return self.memory.is_ready

    def close(self) -> None:
        self.plane.stop(0)


class BridgeSubject:
    def __init__(self, settings: DataPlaneSettings) -> None:
        from shoal_node._bridge import DataPlane

        self.plane: DataPlanePort = DataPlane(settings)
        self.channel = grpc.insecure_channel(self.plane.start())
        self.stub = cache_pb2_grpc.CacheStub(self.channel)

    def refusal(self, partition: int) -> str | None:
        request = cache_pb2.SetRequest(key=key_in(partition), value=b"v", routed=True)
        try:
            self.stub.Set(request, timeout=5)
        except grpc.RpcError as error:
            return reason_of(error)
        return None

    def is_ready(self) -> bool:
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        # HealthCheckRequest{service: "shoal.v1.Cache"} -> {status: SERVING}
        return bool(check(b"\x0a\x0eshoal.v1.Cache", timeout=5) == b"\x08\x01")

    def close(self) -> None:
        self.channel.close()
        self.plane.stop(0)


def key_in(partition: int) -> bytes:
    keys = (b"key%d" % number for number in count())
    return next(
        key for key in keys if binascii.crc_hqx(key, 0) % 16384 * PARTITIONS // 16384 == partition
    )


def reason_of(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None, error
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    raise AssertionError(f"no ErrorInfo in {error}")


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    settings = DataPlaneSettings(NODE, "127.0.0.1:0", PARTITIONS, 64 << 20, 1)
    kind = MemorySubject if request.param == "memory" else BridgeSubject
    made = kind(settings)
    yield made
    made.close()


def topology(revision: int, owners: dict[int, str]) -> bytes:
    nodes = {NODE, *owners.values()} - {""}
    return topology_pb2.Topology(
        cluster="test",
        revision=revision,
        complete=True,
        partition_count=PARTITIONS,
        nodes=[
            topology_pb2.Node(id=node, address="127.0.0.1:1", weight=1, incarnation="1")
            for node in sorted(nodes)
        ],
        partitions=[
            topology_pb2.Partition(id=partition, epoch=revision, primary=owner)
            for partition, owner in owners.items()
        ],
    ).SerializeToString()


def test_at_first_nothing_is_acknowledged(subject: Subject) -> None:
    assert subject.refusal(3) == "NO_OWNER"
    assert subject.plane.snapshot().open_partitions == 0


def test_an_open_partition_is_acknowledged_up_to_the_deadline(subject: Subject) -> None:
    subject.plane.open_partition(3, 1, "run1-x")
    assert subject.refusal(3) == "LEASE_EXPIRED"
    subject.plane.set_lease_deadline(a_second_ahead() + 60 * 10**9)
    assert subject.refusal(3) is None
    assert subject.plane.snapshot().open_partitions == 1
    assert 0 < subject.plane.snapshot().lease_remaining_ms <= 61_000
    subject.plane.set_lease_deadline(boottime_ns())
    assert subject.refusal(3) == "LEASE_EXPIRED"
    assert subject.plane.snapshot().lease_remaining_ms == 0


def test_a_deadline_of_0_fences_at_once(subject: Subject) -> None:
    subject.plane.open_partition(3, 1, "run1-x")
    subject.plane.set_lease_deadline(a_second_ahead() + 60 * 10**9)
    subject.plane.set_lease_deadline(0)
    assert subject.refusal(3) == "LEASE_EXPIRED"


def test_a_frozen_partition_acknowledges_nothing_until_it_is_thawed(subject: Subject) -> None:
    subject.plane.set_lease_deadline(a_second_ahead() + 60 * 10**9)
    subject.plane.open_partition(3, 1, "run1-x")
    subject.plane.freeze_partition(3)
    assert subject.refusal(3) == "PARTITION_MOVING"
    subject.plane.thaw_partition(3)
    assert subject.refusal(3) is None


def test_a_closed_partition_is_elsewhere_if_the_topology_says_so(subject: Subject) -> None:
    subject.plane.set_lease_deadline(a_second_ahead() + 60 * 10**9)
    subject.plane.open_partition(3, 1, "run1-x")
    subject.plane.install_topology(topology(1, {3: NODE}))
    subject.plane.close_partition(3)
    assert subject.refusal(3) == "NO_OWNER"
    subject.plane.install_topology(topology(2, {3: "other"}))
    assert subject.refusal(3) == "MOVED"


def test_an_older_topology_is_ignored(subject: Subject) -> None:
    subject.plane.install_topology(topology(2, {3: "other"}))
    subject.plane.install_topology(topology(1, {3: ""}))
    assert subject.refusal(3) == "MOVED"


def test_a_topology_of_changes_only_is_refused(subject: Subject) -> None:
    incomplete = topology_pb2.Topology.FromString(topology(1, {}))
    incomplete.complete = False
    with pytest.raises(ValueError, match="complete"):
        subject.plane.install_topology(incomplete.SerializeToString())


def test_a_partition_is_opened_once_and_again_after_it_was_closed(subject: Subject) -> None:
    subject.plane.open_partition(3, 1, "run1-x")
    with pytest.raises(ValueError, match="3"):
        subject.plane.open_partition(3, 2, "run1-x")
    subject.plane.close_partition(3)
    subject.plane.open_partition(3, 2, "run1-x")


def test_what_is_closed_cannot_be_frozen_and_need_not_be_closed_or_thawed(
    subject: Subject,
) -> None:
    with pytest.raises(ValueError, match="3"):
        subject.plane.freeze_partition(3)
    subject.plane.thaw_partition(3)
    subject.plane.close_partition(3)
    assert subject.refusal(3) == "NO_OWNER"


def test_a_partition_frozen_and_closed_starts_anew_when_it_is_opened(subject: Subject) -> None:
    subject.plane.set_lease_deadline(a_second_ahead() + 60 * 10**9)
    subject.plane.open_partition(3, 1, "run1-x")
    subject.plane.freeze_partition(3)
    subject.plane.close_partition(3)
    subject.plane.open_partition(3, 2, "run1-x")
    assert subject.refusal(3) is None


@pytest.mark.parametrize("partition", [PARTITIONS, PARTITIONS + 1])
def test_a_partition_that_the_cluster_does_not_have_is_refused(
    subject: Subject, partition: int
) -> None:
    for attempt in (
        lambda: subject.plane.open_partition(partition, 1, "run1-x"),
        lambda: subject.plane.freeze_partition(partition),
        lambda: subject.plane.thaw_partition(partition),
        lambda: subject.plane.close_partition(partition),
    ):
        with pytest.raises(ValueError, match=str(partition)):
            attempt()


def test_nothing_is_open_at_epoch_0(subject: Subject) -> None:
    with pytest.raises(ValueError, match="epoch"):
        subject.plane.open_partition(3, 0, "run1-x")


def test_readiness_is_what_it_was_told(subject: Subject) -> None:
    assert not subject.is_ready()
    subject.plane.set_ready(True)
    assert subject.is_ready()
    subject.plane.set_ready(False)
    assert not subject.is_ready()


def test_memory_is_what_the_settings_say(subject: Subject) -> None:
    assert subject.plane.snapshot().maxmemory_bytes == 64 << 20


def test_a_snapshot_is_of_the_classes_that_the_contract_names(subject: Subject) -> None:
    subject.plane.open_partition(3, 7, "run1-x")
    snapshot = subject.plane.snapshot()
    assert type(snapshot) is Snapshot
    assert snapshot.partitions == (PartitionUse(partition=3, epoch=7, memory_bytes=0),)
    assert subject.plane.snapshot(partitions=False).partitions == ()
    assert snapshot.slow == SlowLog(threshold_ns=10_000_000)
    assert (snapshot.hottest, snapshot.biggest) == (Hottest(), Biggest())


def test_the_policy_is_what_was_set_last(subject: Subject) -> None:
    assert subject.plane.snapshot().eviction == "s3fifo"
    subject.plane.open_partition(3, 1, "run1-x")
    for eviction in ("lru", "lfu", "none", "s3fifo"):
        subject.plane.set_eviction(eviction)
        assert subject.plane.snapshot().eviction == eviction


def test_a_policy_that_there_is_not_is_refused(subject: Subject) -> None:
    with pytest.raises(ValueError, match="random"):
        subject.plane.set_eviction("random")
    assert subject.plane.snapshot().eviction == "s3fifo"


def test_one_without_tls_takes_no_certificates(subject: Subject) -> None:
    with pytest.raises(ValueError, match="started without TLS"):
        subject.plane.set_tls(DataPlaneTls(b"", b"", b""))
