"""Grants and invalidations, as a client sees them that knows the protos alone."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import pytest

from local_cluster import BIN, LocalCluster
from shoal._core.slots import slot_of
from shoal.v1 import cache_pb2 as pb
from shoal.v1.cache_pb2_grpc import CacheStub

pytestmark = pytest.mark.cluster
DEADLINE_SECONDS = 10
SOON_SECONDS = 20
PARTITIONS = 64
"""Of the cluster that all contract tests share."""


@dataclass
class Watcher:
    """One stream of invalidations, read on a thread."""

    channel: grpc.Channel
    updates: queue.Queue[pb.WatchInvalidationsResponse] = field(default_factory=queue.Queue)
    ended: list[grpc.RpcError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.call = CacheStub(self.channel).WatchInvalidations(pb.WatchInvalidationsRequest())
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            for update in self.call:
                self.updates.put(update)
        except grpc.RpcError as error:
            self.ended.append(error)

    def of(self, partition: int) -> pb.WatchInvalidationsResponse:
        """The next update of the partition; others are passed over."""
        deadline = time.monotonic() + SOON_SECONDS
        while True:
            update = self.updates.get(timeout=max(0.001, deadline - time.monotonic()))
            if update.partition == partition:
                return update

    def close(self) -> None:
        self.call.cancel()
        self.thread.join(DEADLINE_SECONDS)


@pytest.fixture
def watchers(channels: list[grpc.Channel]) -> Iterator[list[Watcher]]:
    begun = [Watcher(channel) for channel in channels]
    yield begun
    for watcher in begun:
        watcher.close()


def fresh_key(tag: str = "") -> bytes:
    return f"contract:{{{uuid.uuid4()}{tag}}}".encode()


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    return slot_of(key) * partitions // 16384


def granted(stub: CacheStub, request: pb.GetRequest) -> pb.GetResponse:
    """Read until the answer may be held, many times with each request, so that the key is
    hot on a busy machine too."""
    many = pb.MGetRequest(keys=[request.key] * 100)
    deadline = time.monotonic() + SOON_SECONDS
    while True:
        answer = stub.Get(request, timeout=DEADLINE_SECONDS)
        if answer.near_ms:
            return answer
        assert time.monotonic() < deadline, "it is not hot yet"
        stub.MGet(many, timeout=DEADLINE_SECONDS)


def first_of(watchers: list[Watcher], partition: int) -> tuple[Watcher, int, int]:
    """Who serves the partition; the epoch, and where its sequence stands."""
    deadline = time.monotonic() + SOON_SECONDS
    while time.monotonic() < deadline:
        for watcher in watchers:
            for update in list(watcher.updates.queue):
                if update.partition == partition and update.epoch:
                    told = watcher.of(partition)
                    return watcher, told.epoch, told.sequence
        time.sleep(0.005)
    raise AssertionError(f"nobody tells where partition {partition} stands")


def test_every_partition_is_told_first_by_the_node_that_serves_it(
    watchers: list[Watcher], eventually: Callable[..., None]
) -> None:
    def told() -> list[int]:
        updates = [update for watcher in watchers for update in list(watcher.updates.queue)]
        assert all(not update.keys for update in updates)
        return sorted(update.partition for update in updates if update.epoch)

    eventually(lambda: told() == list(range(PARTITIONS)), what="every position")


def test_a_hot_key_is_granted_by_any_node_and_its_write_is_told(
    watchers: list[Watcher], channels: list[grpc.Channel]
) -> None:
    stubs = [CacheStub(channel) for channel in channels]
    key = fresh_key()
    stubs[0].Set(pb.SetRequest(key=key, value=b"0"), timeout=DEADLINE_SECONDS)
    watcher, epoch, sequence = first_of(watchers, partition_of(key))
    for number, stub in enumerate(stubs * 2, start=1):
        answer = granted(stub, pb.GetRequest(key=key))
        assert (answer.status, 0 < answer.near_ms <= 1000) == (pb.HIT, True)
        stored = stub.Set(
            pb.SetRequest(key=key, value=str(number).encode()), timeout=DEADLINE_SECONDS
        )
        update = watcher.of(partition_of(key))
        assert (list(update.keys), update.version) == ([key], stored.version)
        assert (update.epoch, update.sequence) == (epoch, sequence + number)


def test_a_key_that_is_used_once_is_not_granted(stub_of_any: CacheStub) -> None:
    key = fresh_key()
    stub_of_any.Set(pb.SetRequest(key=key, value=b"v"), timeout=DEADLINE_SECONDS)
    assert stub_of_any.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).near_ms == 0


@pytest.fixture
def stub_of_any(channel: grpc.Channel) -> CacheStub:
    return CacheStub(channel)


def test_who_asks_the_primary_by_name_is_granted_nothing(stub_of_any: CacheStub) -> None:
    key = fresh_key()
    stub_of_any.Set(pb.SetRequest(key=key, value=b"v"), timeout=DEADLINE_SECONDS)
    granted(stub_of_any, pb.GetRequest(key=key))
    named = pb.GetRequest(key=key, read=pb.READ_MODE_PRIMARY)
    assert stub_of_any.Get(named, timeout=DEADLINE_SECONDS).near_ms == 0


def test_a_grant_is_no_longer_than_the_entry_lives(stub_of_any: CacheStub) -> None:
    key = fresh_key()
    stub_of_any.Set(pb.SetRequest(key=key, value=b"v"), timeout=DEADLINE_SECONDS)
    granted(stub_of_any, pb.GetRequest(key=key))
    short = pb.SetRequest(key=key, value=b"w", ttl_ms=400)
    stub_of_any.Set(short, timeout=DEADLINE_SECONDS)
    answer = stub_of_any.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS)
    assert 0 < answer.near_ms <= answer.ttl_ms <= 400


def test_an_invalidated_tag_is_told_as_everything_of_the_partition(
    watchers: list[Watcher], channels: list[grpc.Channel]
) -> None:
    stub = CacheStub(channels[0])
    key, tag = fresh_key(), f"tag:{uuid.uuid4()}"
    stub.Set(pb.SetRequest(key=key, value=b"v", tags=[tag]), timeout=DEADLINE_SECONDS)
    watcher, epoch, sequence = first_of(watchers, partition_of(key))
    granted(stub, pb.GetRequest(key=key))
    stub.InvalidateTag(pb.InvalidateTagRequest(tag=tag), timeout=DEADLINE_SECONDS)
    update = watcher.of(partition_of(key))
    assert (list(update.keys), update.epoch, update.sequence) == ([], epoch, sequence + 1)
    assert stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).status == pb.MISS


def test_a_watcher_that_comes_again_finds_the_sequence_where_it_was(
    watchers: list[Watcher], channels: list[grpc.Channel]
) -> None:
    stub = CacheStub(channels[0])
    key = fresh_key()
    stub.Set(pb.SetRequest(key=key, value=b"0"), timeout=DEADLINE_SECONDS)
    watcher, epoch, sequence = first_of(watchers, partition_of(key))
    watcher.close()
    granted(stub, pb.GetRequest(key=key))
    stub.Set(pb.SetRequest(key=key, value=b"1"), timeout=DEADLINE_SECONDS)
    again = Watcher(watcher.channel)
    told = again.of(partition_of(key))
    again.close()
    assert (told.epoch, told.sequence, list(told.keys)) == (epoch, sequence + 1, [])


def test_a_partition_that_is_handed_over_is_told_by_both() -> None:
    """Its old primary tells epoch 0, its new one the next epoch; a write is told there."""
    with LocalCluster(nodes=3, partitions=8, replicas=1) as cluster:
        channels = [grpc.insecure_channel(address) for address in cluster.addresses]
        watchers = [Watcher(channel) for channel in channels]
        stub = CacheStub(channels[0])
        key = fresh_key()
        stub.Set(pb.SetRequest(key=key, value=b"0"), timeout=DEADLINE_SECONDS)
        partition = partition_of(key, 8)
        old, epoch, _ = first_of(watchers, partition)
        granted(stub, pb.GetRequest(key=key))
        drained = cluster.node_processes[watchers.index(old)].id
        coordinator = cluster.coordinators[0][0]
        command = [BIN / "shoal", "node", "drain", drained, f"--coordinator={coordinator}"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        gone = old.of(partition)
        assert (gone.epoch, list(gone.keys)) == (0, [])
        others = [watcher for watcher in watchers if watcher is not old]
        new, taken, sequence = first_of(others, partition)
        assert taken > epoch
        granted(stub, pb.GetRequest(key=key))
        stub.Set(pb.SetRequest(key=key, value=b"1"), timeout=DEADLINE_SECONDS)
        update = new.of(partition)
        assert (list(update.keys), update.epoch) == ([key], taken)
        assert update.sequence == sequence + 1
        for watcher in watchers:
            watcher.close()
        for channel in channels:
            channel.close()
