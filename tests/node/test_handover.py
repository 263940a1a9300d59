"""Handing partitions over: what is done together, and what is never taken for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from cut_off_store import CutOffStore
from shoal_coordinator.registry.codec import decode_partition, encode_partition
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Registered, register_node
from shoal_coordinator.registry.port import Put
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import HeldPartition, LiveNode
from shoal_node.actions import HandOver
from shoal_node.data_plane import DataPlaneSettings
from shoal_node.data_plane_memory import MemoryDataPlane
from shoal_node.handover import HandOverPorts, hand_partitions_over
from shoal_node.local import Local
from shoal_node.network_memory import MemoryNetwork
from virtual_time import VirtualLoop, run_virtually

KEYS = Keys("t")
PARTITIONS = 4
DRAIN_MS = 40
A, B = NodeId("a"), NodeId("b")


class Scene:
    """Node a serves every partition, and node b follows them all."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.store = CutOffStore()
        network = MemoryNetwork()
        self.a, self.b = (
            MemoryDataPlane(
                DataPlaneSettings(str(node), f"{node}:1", PARTITIONS, 1 << 30, 1),
                loop.now_ns,
                network,
            )
            for node in (A, B)
        )
        for plane in (self.a, self.b):
            plane.start()
            plane.set_lease_deadline(1 << 62)
        self.local = Local(A, Incarnation("a-run1"))
        self.held: list[HeldPartition] = []

    async def begin(self) -> None:
        self.own, self.target = [await self._registered(node) for node in (A, B)]
        self.local.registered(self.own)
        for partition in map(PartitionId, range(PARTITIONS)):
            copies = tuple(Copy(node, CopyId(f"{node}-copy")) for node in (A, B))
            record = PartitionRecord(
                partition, Epoch(1), copies[0], Incarnation("a-run1"), (B,), copies, (A, B)
            )
            put = Put(KEYS.partition(partition), encode_partition(record))
            committed = await self.store.commit((), [put])
            self.held.append(HeldPartition(record, committed.revision))
            self.a.open_partition(partition, 1, "a-copy")
            self.local.opened(partition, Epoch(1), CopyId("a-copy"))
            self.b.follow_partition(partition, "a", "a:1", 1, "b-copy")

    async def _registered(self, node: NodeId) -> LiveNode:
        incarnation = Incarnation(f"{node}-run1")
        registration = NodeRegistration(node, f"{node}:1", "", 100, incarnation, "0", "")
        lease = await self.store.grant_lease(3600)
        outcome = await register_node(self.store, KEYS, registration, lease.id)
        assert isinstance(outcome, Registered)
        return LiveNode(registration, outcome.create_revision, lease.id)

    async def hand_over(self, partitions: Sequence[int] = range(PARTITIONS)) -> list[bool]:
        async def offload(work: Callable[[], object]) -> object:
            await asyncio.sleep(0.001)
            return work()

        actions = []
        for held in (self.held[it] for it in partitions):
            copy = held.record.in_sync[1]
            others = held.record.in_sync[:1]
            actions.append(HandOver(held, self.own, self.target, copy, others, "it is asked for"))
        ports = HandOverPorts(self.store, KEYS, self.a, offload)
        return await hand_partitions_over(actions, ports, self.local, DRAIN_MS)

    def primaries(self) -> list[str]:
        items = self.store.etcd.read(f"{KEYS.prefix}partitions/").items
        records = [decode_partition(item.key, item.value) for item in items]
        return ["" if it.primary is None else it.primary.node for it in records]


def tell(story: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        await scene.begin()
        await story(scene)

    run_virtually(run)


def test_what_is_handed_over_together_is_one_commit() -> None:
    async def story(scene: Scene) -> None:
        commits = scene.store.commits
        assert await scene.hand_over() == [True] * PARTITIONS
        assert scene.store.commits == commits + 1
        assert scene.primaries() == ["b"] * PARTITIONS
        assert scene.local.frozen == set(range(PARTITIONS)), "until its records are obeyed"
        assert {it.record.epoch for it in scene.local.written.values()} == {2}

    tell(story)


def test_a_copy_that_is_not_near_does_not_keep_the_others() -> None:
    async def story(scene: Scene) -> None:
        scene.b.close_partition(2)
        assert await scene.hand_over() == [True, True, False, True]
        assert scene.primaries() == ["b", "b", "a", "b"]

    tell(story)


def test_a_record_that_moved_does_not_keep_the_others() -> None:
    async def story(scene: Scene) -> None:
        asked = replace(scene.held[1].record, handoff_to=B)
        put = Put(KEYS.partition(PartitionId(1)), encode_partition(asked))
        committed = await scene.store.commit((), [put])
        assert await scene.hand_over() == [True, False, True, True]
        assert scene.local.written[PartitionId(1)] == HeldPartition(asked, committed.revision)

    tell(story)


def test_one_that_was_given_up_meanwhile_is_left_alone() -> None:
    async def story(scene: Scene) -> None:
        handing = asyncio.create_task(scene.hand_over([0, 1]))
        await asyncio.sleep(0)
        scene.a.close_partition(0)
        scene.local.closed(PartitionId(0))
        assert await handing == [False, True]
        assert scene.primaries() == ["a", "b", "a", "a"]

    tell(story)


def test_what_is_lost_here_is_passed_on_without_freezing() -> None:
    async def story(scene: Scene) -> None:
        scene.a.close_partition(0)
        scene.local.closed(PartitionId(0))
        assert await scene.hand_over([0]) == [True]
        assert scene.local.frozen == set()

    tell(story)


def test_in_doubt_nothing_is_certain_until_etcd_has_answered() -> None:
    async def story(scene: Scene) -> None:
        # The commit wins, and nobody tells. Later ones are certainly not written.
        scene.store.cut_off_after_commit = True
        handing = asyncio.create_task(scene.hand_over())
        await asyncio.sleep(60)
        assert scene.primaries() == ["b"] * PARTITIONS
        assert not handing.done(), "whether to thaw is not known"
        scene.store.cut_off_after_commit = scene.store.is_cut_off = False
        assert await handing == [True] * PARTITIONS

    tell(story)


def test_the_doubt_ends_with_the_registration() -> None:
    async def story(scene: Scene) -> None:
        scene.store.cut_off_after_commit = True
        handing = asyncio.create_task(scene.hand_over())
        await asyncio.sleep(30)
        scene.local.lost_registration()
        assert await handing == [False] * PARTITIONS
        assert scene.local.frozen == set(range(PARTITIONS))

    tell(story)
