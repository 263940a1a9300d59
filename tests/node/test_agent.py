"""An agent's life, told in virtual time: joining, losing, moving, stopping.

Agents run on their own event loop here, with no faults but those that a story tells.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shoal_coordinator.registry.codec import decode_partition, encode_config, encode_partition
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Delete,
    Events,
    Guard,
    Put,
    Revision,
    StoreWentBack,
)
from shoal_coordinator.registry.records import Incarnation, NodeId, PartitionId, PartitionRecord
from shoal_node.errors import ClusterChanged, IdInUse
from story_store import StoryStore
from story_world import NODES, PARTITIONS, TTL_SECONDS, World
from virtual_time import VirtualLoop, run_virtually
from watched_etcd import KEYS

Story = Callable[[World], Coroutine[Any, Any, None]]
N0, N1, N2, N3 = NODES


def tell(story: Story) -> None:
    async def run(loop: VirtualLoop) -> None:
        world = World(loop)
        world.found()
        running = [loop.create_task(world.tick()), loop.create_task(world.replicate())]
        try:
            await story(world)
        finally:
            for task in running:
                task.cancel()
            world.end()
        assert world.broken == []

    run_virtually(run)


def records(world: World) -> dict[PartitionId, PartitionRecord]:
    items = world.etcd.read(f"{KEYS.prefix}partitions/").items
    return {(it := decode_partition(item.key, item.value)).partition: it for item in items}


def owners(world: World) -> dict[int, str]:
    """Who would acknowledge a write, by partition."""
    return {
        partition: process.node
        for partition in range(PARTITIONS)
        for process in world.live()
        if process.data_plane.refusal(partition) is None
    }


async def until(holds: Callable[[], bool], *, within_seconds: float) -> float:
    """Wait for a state; return how long it took."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(within_seconds):
        while not holds():
            await asyncio.sleep(0.005)
    return loop.time() - start


async def all_replicated(world: World, within_seconds: float = 2.0) -> float:
    """Until every partition has as many copies in sync as are wanted."""
    return await until(
        lambda: all(len(it.in_sync) > world.config.replica_count for it in records(world).values()),
        within_seconds=within_seconds,
    )


async def all_served(world: World, within_seconds: float = 1.0) -> float:
    return await until(lambda: len(owners(world)) == PARTITIONS, within_seconds=within_seconds)


def test_nodes_join_take_what_is_planned_and_are_ready() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        await until(lambda: all(it.data_plane.is_ready for it in world.live()), within_seconds=1)
        assert all(it.agent.is_ready for it in world.live())
        assert {record.epoch for record in records(world).values()} == {1}

    tell(story)


def test_the_partitions_of_a_dead_node_are_taken_when_its_lease_has_run_out() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        had = [partition for partition, owner in owners(world).items() if owner == N0]
        assert had
        world.processes[N0].crash()
        # They have been there for a moment only: they wait for copies that may come back.
        hold_seconds = 1.5 * TTL_SECONDS
        assert 0.5 < await all_served(world, 30) <= hold_seconds + 0.2
        assert all(records(world)[PartitionId(partition)].epoch == 2 for partition in had)

    tell(story)


def test_a_copy_in_sync_takes_over_with_its_data_soon_after_the_key_is_gone() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        had = [partition for partition, owner in owners(world).items() if owner == N0]
        before = {partition: records(world)[PartitionId(partition)].in_sync for partition in had}
        world.processes[N0].crash()
        await until(lambda: world.etcd.incarnation_of(N0) is None, within_seconds=TTL_SECONDS + 1)
        assert await all_served(world) < 0.15
        assert world.counts["promoted"] == len(had) > 0
        for partition in had:
            record = records(world)[PartitionId(partition)]
            assert record.primary in before[partition]
            assert all(copy.node != N0 for copy in record.in_sync)
        world.start_all()
        await all_replicated(world, within_seconds=5)

    tell(story)


def test_news_of_replication_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at the next look, which comes four times a second."""

    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        await asyncio.sleep(1)
        plane = world.processes[N0].data_plane
        taken: list[list[int]] = []
        take = plane.take_replication_changed
        monkeypatch.setattr(
            plane, "take_replication_changed", lambda: taken.append(took := take()) or took
        )
        for _ in range(20):
            # Never at the time of a look only by chance.
            await asyncio.sleep(0.037)
            plane._news.tell(1)
            await until(lambda: taken == [[1]], within_seconds=0.01)
            taken.clear()

    tell(story)


def test_the_partitions_of_a_node_that_restarts_are_served_again_at_once() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        had = [partition for partition, owner in owners(world).items() if owner == N0]
        world.processes[N0].crash()
        world.start_all()
        # By itself or by whoever saw that its predecessor's key is gone.
        assert await all_served(world) < 0.5
        assert all(records(world)[PartitionId(partition)].epoch == 2 for partition in had)

    tell(story)


def test_another_process_with_the_same_id_waits_for_the_lease_and_then_leaves() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        before = owners(world)
        impostor = world.start(N0, mark="elsewhere")
        took = await until(impostor.task.done, within_seconds=10)
        assert took == pytest.approx(2 * TTL_SECONDS, abs=0.5)
        assert isinstance(impostor.task.exception(), IdInUse)
        assert owners(world) == before

    tell(story)


def test_another_process_takes_the_id_over_once_the_lease_has_run_out() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        world.processes[N0].crash()
        successor = world.start(N0, mark="elsewhere")
        took = await until(lambda: successor.data_plane.is_ready, within_seconds=5)
        assert took > 1, "it could not know that its predecessor is dead"
        await all_served(world)

    tell(story)


def test_a_node_whose_id_was_taken_meanwhile_leaves() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        old = world.processes[N0]
        old.link.cut_until = world.loop.time() + 2 * TTL_SECONDS
        world.start(N0, mark="elsewhere")
        await until(old.task.done, within_seconds=6 * TTL_SECONDS)
        assert isinstance(old.task.exception(), IdInUse)
        await all_served(world)

    tell(story)


def test_when_etcd_is_away_nodes_fence_themselves_keep_their_data_and_resume() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        before, epochs = owners(world), {it.epoch for it in records(world).values()}
        for process in world.live():
            process.link.cut_until = world.loop.time() + 3 * TTL_SECONDS
        await until(lambda: owners(world) == {}, within_seconds=TTL_SECONDS)
        # Nobody tells an agent that its deadline has passed or is ahead again.
        ready = lambda: [it.data_plane.is_ready for it in world.live()]  # noqa: E731
        await until(lambda: not any(ready()), within_seconds=0.03)
        await asyncio.sleep(2 * TTL_SECONDS)
        assert not any(ready())
        await all_served(world, within_seconds=2 * TTL_SECONDS)
        await until(lambda: all(ready()), within_seconds=0.5)
        assert owners(world) == before
        assert {it.epoch for it in records(world).values()} == epochs == {1}

    tell(story)


def test_a_wedged_node_loses_its_lease_and_comes_back_when_it_is_well() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        wedged = world.processes[N0]
        wedged.link.wedged_until = world.loop.time() + 3 * TTL_SECONDS
        await until(
            lambda: N0 not in owners(world).values() and len(owners(world)) == PARTITIONS,
            within_seconds=TTL_SECONDS + 1,
        )
        assert world.etcd.incarnation_of(N0) is None, "it must not register while it is wedged"
        await until(lambda: wedged.data_plane.is_ready, within_seconds=4 * TTL_SECONDS)
        assert wedged.agent.local.serving == {}

    tell(story)


def ask_for_move(world: World, partition: int, target: NodeId) -> None:
    record = records(world)[PartitionId(partition)]
    wanted = PartitionRecord(
        record.partition,
        record.epoch,
        record.primary,
        record.primary_incarnation,
        record.replicas,
        record.in_sync,
        record.preference,
        handoff_to=target,
    )
    put = Put(KEYS.partition(record.partition), encode_partition(wanted))
    world.etcd.commit_by(None, (), [put])


def test_a_copy_that_takes_anothers_place_counts_as_one_that_came_and_one_that_left() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        old = records(world)[PartitionId(0)]
        source = owners(world)[0]
        comes = next(node for node in NODES if node not in {it.node for it in old.in_sync})
        counts = world.processes[NodeId(source)].agent._ports.counts
        before = (counts.joined, counts.left)
        wanted = replace(old, preference=(NodeId(source), comes), replicas=(comes,))
        put = Put(KEYS.partition(old.partition), encode_partition(wanted))
        world.etcd.commit_by(None, (), [put])
        both = {source, comes}
        await until(
            lambda: {it.node for it in records(world)[PartitionId(0)].in_sync} == both,
            within_seconds=2,
        )
        await until(lambda: counts.left > before[1], within_seconds=1)
        assert (counts.joined, counts.left) == (before[0] + 1, before[1] + 1)

    tell(story)


def test_a_partition_moves_when_its_record_asks_for_it() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        old = records(world)[PartitionId(0)]
        source = owners(world)[0]
        target = next(node for node in NODES if node not in {it.node for it in old.in_sync})
        ask_for_move(world, 0, target)
        await until(lambda: owners(world).get(0) == target, within_seconds=2)
        record = records(world)[PartitionId(0)]
        assert (record.epoch, record.handoff_to) == (2, None)
        assert record.primary is not None
        assert set(record.in_sync) == {*old.in_sync, record.primary}
        assert world.counts["handed"] == 1
        await until(
            lambda: 0 not in world.processes[NodeId(source)].agent.local.serving,
            within_seconds=1,
        )

    tell(story)


def test_a_hand_over_in_doubt_stays_frozen_until_it_is_known_what_came_of_it() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        source = world.processes[NodeId(owners(world)[0])]
        target = next(it.node for it in records(world)[PartitionId(0)].in_sync[1:])
        commit = world.etcd.commit_by

        def lost(who: Incarnation | None, *args: Any) -> Committed:
            """From the hand-over's commit on no answer reaches the source."""
            committed = commit(who, *args)
            if who == source.incarnation:
                assert 0 in source.agent.local.frozen
                source.link.cut_until = world.loop.time() + 1.0
            return committed

        ask_for_move(world, 0, target)
        world.etcd.commit_by = lost  # type: ignore[method-assign]
        await until(lambda: owners(world).get(0) == target, within_seconds=2)
        world.etcd.commit_by = commit  # type: ignore[method-assign]
        assert source.data_plane.refusal(0) is not None
        await until(lambda: source.data_plane.refusal(0) == "MOVED", within_seconds=2 * TTL_SECONDS)

    tell(story)


def commits_by(world: World, node: NodeId) -> list[Sequence[Change]]:
    """What a node changes of partitions from now on, by commit."""
    commit = world.etcd.commit_by
    found: list[Sequence[Change]] = []

    def noted(
        who: Incarnation | None,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        committed = commit(who, guards, changes, on_loss_read)
        is_its = who == world.processes[node].incarnation
        if committed.won and is_its and "/partitions/" in changes[0].key:
            found.append(changes)
        return committed

    world.etcd.commit_by = noted  # type: ignore[method-assign]
    return found


def test_a_node_that_stops_hands_everything_over_and_leaves() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_replicated(world)
        had = owners(world)
        node = max(NODES, key=list(had.values()).count)
        stopping = world.processes[node]
        count = list(had.values()).count(node)
        gave = commits_by(world, node)
        took = world.loop.time()
        await stopping.stop()
        assert world.loop.time() - took < 1
        assert world.etcd.incarnation_of(node) is None
        assert await all_served(world) == 0
        assert node not in owners(world).values()
        assert world.counts["handed"] == count > 1
        together = stopping.agent._policy.stopping_hand_overs_at_once
        assert len(gave) == -(-count // together) < count, "each commit costs every process"
        assert all(node not in {it.node for it in r.in_sync} for r in records(world).values())

    tell(story)


def test_the_last_node_stops_without_waiting_for_anyone() -> None:
    async def story(world: World) -> None:
        world.processes[N0] = world.start(N0)
        await all_served(world, within_seconds=5 * TTL_SECONDS)
        before = world.loop.time()
        await world.processes[N0].stop()
        assert world.loop.time() - before < 0.5
        assert world.etcd.incarnation_of(N0) is None

    tell(story)


@pytest.mark.parametrize("removed", [True, False])
def test_a_cluster_that_was_removed_or_made_anew_ends_the_node(removed: bool) -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        other = encode_config(replace(world.config, cluster_id="another"))
        change = Delete(KEYS.config) if removed else Put(KEYS.config, other)
        world.etcd.commit_by(None, (), [change])
        await until(lambda: not world.live(), within_seconds=1)
        error = world.processes[N0].task.exception()
        assert isinstance(error, ClusterChanged)
        assert "start this node again" in str(error)
        assert world.processes[N0].data_plane.refusal(0) is not None

    tell(story)


def test_an_etcd_that_went_back_ends_the_node_and_fences_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(world: World) -> None:
        async def went_back(
            self: StoryStore, prefix: str, after: Revision
        ) -> AsyncGenerator[Events]:
            await asyncio.sleep(1)
            raise StoreWentBack("etcd was restored")
            yield

        monkeypatch.setattr(StoryStore, "watch", went_back)
        node = world.start(N0)
        await until(node.task.done, within_seconds=2)
        assert isinstance(node.task.exception(), ClusterChanged)
        assert str(node.task.exception()) == "this node stops: etcd was restored"
        assert node.data_plane.snapshot().lease_remaining_ms == 0

    tell(story)


def test_cancelling_the_agent_fences_it() -> None:
    async def story(world: World) -> None:
        world.start_all()
        await all_served(world)
        node = world.processes[N0]
        node.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await node.task
        assert node.data_plane.snapshot().lease_remaining_ms == 0
        assert not node.data_plane.is_ready

    tell(story)
