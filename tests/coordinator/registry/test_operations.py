"""The registry's writes: who wins, who loses, and what a lost answer comes to.

Run on both stores.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from registry_scenes import leading, live, plan, planned, taken_by
from shoal_coordinator.registry import codec
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import CommitFault, MemoryStore
from shoal_coordinator.registry.operations import (
    Elected,
    Lost,
    NameTaken,
    NotElected,
    PlannedRecord,
    Registered,
    Won,
    announce_leaving,
    campaign,
    change_as_primary,
    change_config,
    change_member,
    create_config,
    plan_partition,
    plan_partitions,
    read_config,
    register_node,
    remove_registration,
    resign,
    take_over,
)
from shoal_coordinator.registry.port import (
    ABSENT,
    CreatedAt,
    LeaseLost,
    ModifiedAt,
    Put,
    Revision,
    Store,
)
from shoal_coordinator.registry.records import (
    ClusterConfig,
    CoordinatorLeader,
    Copy,
    CopyId,
    Eviction,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
)
from shoal_coordinator.registry.view import HeldPartition

CONFIG = ClusterConfig(256, 1, 3, 1, "one")


async def test_the_first_configuration_stands(store: Store, keys: Keys) -> None:
    assert await read_config(store, keys) is None
    assert await create_config(store, keys, CONFIG) == CONFIG
    other = replace(CONFIG, cluster_id="two", partition_count=16)
    assert await create_config(store, keys, other) == CONFIG
    assert await read_config(store, keys) == CONFIG


async def test_the_policy_of_a_standing_configuration_is_changed(store: Store, keys: Keys) -> None:
    def to_lru(config: ClusterConfig) -> ClusterConfig:
        return replace(config, eviction=Eviction.LRU)

    assert await change_config(store, keys, to_lru) is None
    await create_config(store, keys, CONFIG)
    assert await change_config(store, keys, to_lru) == to_lru(CONFIG)
    assert await read_config(store, keys) == to_lru(CONFIG)
    before = (await store.read(keys.config)).items[0].mod_revision
    assert await change_config(store, keys, to_lru) == to_lru(CONFIG)
    assert (await store.read(keys.config)).items[0].mod_revision == before, "nothing to write"


async def test_a_change_is_made_of_what_somebody_else_wrote_meanwhile(
    store: Store, keys: Keys
) -> None:
    await create_config(store, keys, CONFIG)
    seen: list[ClusterConfig] = []
    changes = [asyncio.create_task(_change(store, keys, seen, to)) for to in Eviction]
    await asyncio.gather(*changes)
    last = await read_config(store, keys)
    assert last is not None
    assert len(seen) >= len(Eviction)
    assert replace(last, eviction=Eviction.S3FIFO) == CONFIG


async def _change(store: Store, keys: Keys, seen: list[ClusterConfig], to: Eviction) -> None:
    def change(config: ClusterConfig) -> ClusterConfig:
        seen.append(config)
        return replace(config, eviction=to)

    changed = await change_config(store, keys, change)
    assert changed is not None
    assert changed.eviction is to


async def test_a_name_is_registered_once(store: Store, keys: Keys) -> None:
    first = await live(store, keys, "n1")
    lease = await store.grant_lease(30)
    second = replace(first.registration, incarnation=Incarnation("n1/2"))

    assert await register_node(store, keys, second, lease.id) == NameTaken(first)
    # A node whose name merely starts like another's is not it.
    await live(store, keys, "n")
    await live(store, keys, "n11")


async def test_a_restarted_node_removes_its_predecessor(store: Store, keys: Keys) -> None:
    first = await live(store, keys, "n1")
    lease = await store.grant_lease(30)
    second = replace(first.registration, incarnation=Incarnation("n1/2"))

    registered = await register_node(store, keys, second, lease.id, predecessor=first)

    assert isinstance(registered, Registered)
    assert registered.create_revision > first.create_revision
    (item,) = (await store.read(keys.node(NodeId("n1")))).items
    assert item.create_revision == registered.create_revision
    assert item.lease == lease.id
    # Its predecessor's last act does not touch it.
    await remove_registration(store, keys, NodeId("n1"), first.create_revision)
    assert (await store.read(keys.node(NodeId("n1")))).items == (item,)
    await remove_registration(store, keys, NodeId("n1"), registered.create_revision)
    assert (await store.read(keys.node(NodeId("n1")))).items == ()


async def test_a_node_that_leaves_says_so_and_keeps_its_key(store: Store, keys: Keys) -> None:
    standing = await live(store, keys, "n1")
    await announce_leaving(store, keys, standing)
    (item,) = (await store.read(keys.node(NodeId("n1")))).items
    assert codec.decode_registration(item.key, item.value) == replace(
        standing.registration, leaving=True
    )
    assert (item.create_revision, item.lease) == (standing.create_revision, standing.lease)
    assert item.mod_revision > standing.create_revision


async def test_a_successor_is_not_marked_as_leaving(store: Store, keys: Keys) -> None:
    standing = await live(store, keys, "n1")
    before = (await store.read(keys.node(NodeId("n1")))).items
    gone = replace(standing, create_revision=Revision(standing.create_revision - 1))
    await announce_leaving(store, keys, gone)
    assert (await store.read(keys.node(NodeId("n1")))).items == before


async def test_a_predecessor_that_is_not_the_one_expected_stays(store: Store, keys: Keys) -> None:
    standing = await live(store, keys, "n1")
    wrong = replace(standing, create_revision=Revision(standing.create_revision - 1))
    lease = await store.grant_lease(30)
    second = replace(standing.registration, incarnation=Incarnation("n1/2"))
    assert await register_node(store, keys, second, lease.id, wrong) == NameTaken(standing)


async def test_a_predecessor_that_went_by_itself_is_no_obstacle(store: Store, keys: Keys) -> None:
    first = await live(store, keys, "n1")
    await store.revoke_lease(first.lease)
    lease = await store.grant_lease(30)
    registered = await register_node(store, keys, first.registration, lease.id, first)
    assert isinstance(registered, Registered)


async def test_nothing_is_registered_under_a_lease_that_is_gone(store: Store, keys: Keys) -> None:
    first = await live(store, keys, "n1")
    await store.revoke_lease(first.lease)
    with pytest.raises(LeaseLost):
        await register_node(store, keys, first.registration, first.lease)
    assert (await store.read(keys.prefix)).items == ()


async def test_one_coordinator_leads(store: Store, keys: Keys) -> None:
    me, other = CoordinatorLeader("c1", "h:1"), CoordinatorLeader("c2", "h:2")
    mine, others = await store.grant_lease(30), await store.grant_lease(30)

    elected = await campaign(store, keys, me, mine.id)
    assert isinstance(elected, Elected)
    assert await campaign(store, keys, other, others.id) == NotElected(elected.leadership)
    # Asked again under its lease, it still leads; after a restart it does not.
    assert await campaign(store, keys, me, mine.id) == elected
    assert await campaign(store, keys, me, others.id) == NotElected(elected.leadership)

    await resign(store, keys, elected.leadership)
    next_one = await campaign(store, keys, other, others.id)
    assert isinstance(next_one, Elected)
    await resign(store, keys, elected.leadership)
    assert await campaign(store, keys, me, mine.id) == NotElected(next_one.leadership)


async def test_who_no_longer_leads_writes_nothing(store: Store, keys: Keys) -> None:
    old = await leading(store, keys)
    await resign(store, keys, old)
    new = await leading(store, keys)
    guard = CreatedAt(keys.leader, old.create_revision)
    member = Member(NodeId("n1"), MemberState.JOINING, 1, "")

    assert await change_member(store, keys, member.id, lambda _: member, old) == Lost(
        None, (guard,)
    )
    assert await plan_partition(store, keys, planned(0, "a"), ABSENT, old) == Lost(None, (guard,))
    both = [PlannedRecord(planned(0, "a")), PlannedRecord(planned(1, "a"))]
    assert await plan_partitions(store, keys, both, old) == (Lost(None, (guard,)),) * 2
    assert isinstance(await change_member(store, keys, member.id, lambda _: member, new), Won)


async def test_plans_are_swapped(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    held = await plan(store, keys, leadership, planned(3, "a", "b"))
    guard = ModifiedAt(keys.partition(PartitionId(3)), ABSENT)
    assert await plan_partition(store, keys, planned(3, "b"), ABSENT, leadership) == Lost(
        held, (guard,)
    )
    outcome = await plan_partition(store, keys, planned(3, "b"), held.mod_revision, leadership)
    assert isinstance(outcome, Won)
    assert outcome.mod_revision > held.mod_revision


async def test_a_whole_placement_is_planned(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    records = [planned(partition, "a", "b", "c") for partition in range(256)]

    outcomes = await plan_partitions(
        store, keys, [PlannedRecord(record) for record in records], leadership
    )

    assert all(isinstance(outcome, Won) for outcome in outcomes)
    items = (await store.read(f"{keys.prefix}partitions/")).items
    assert [codec.decode_partition(item.key, item.value) for item in items] == records
    assert [outcome.mod_revision for outcome in outcomes if isinstance(outcome, Won)] == [
        item.mod_revision for item in items
    ]


async def test_one_record_that_moved_makes_its_neighbours_lose_and_no_others(
    store: Store, keys: Keys
) -> None:
    leadership = await leading(store, keys)
    moved = await plan(store, keys, leadership, planned(150, "z"))
    plans = [PlannedRecord(planned(partition, "a")) for partition in range(250)]

    outcomes = await plan_partitions(store, keys, plans, leadership)

    lost = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Lost)]
    assert lost == list(range(100, 200))
    failed = (ModifiedAt(keys.partition(PartitionId(150)), ABSENT),)
    assert outcomes[150] == Lost(moved, failed)
    assert outcomes[149] == Lost(None, failed)


async def test_a_planned_partition_is_taken_once(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    a, b = await live(store, keys, "a"), await live(store, keys, "b")
    held = await plan(store, keys, leadership, planned(0, "a", "b"))

    record = taken_by(held.record, a)
    won = await take_over(store, keys, held, record, a, old=None)
    assert isinstance(won, Won)
    lost = await take_over(store, keys, held, taken_by(held.record, b), b, old=None)
    assert lost == Lost(
        HeldPartition(record, won.mod_revision),
        (ModifiedAt(keys.partition(PartitionId(0)), held.mod_revision),),
    )


async def test_a_partition_is_taken_from_who_is_gone_and_from_nobody_else(
    store: Store, keys: Keys
) -> None:
    leadership = await leading(store, keys)
    a, b = await live(store, keys, "a"), await live(store, keys, "b")
    held = await plan(store, keys, leadership, planned(0, "a", "b"))
    record = taken_by(held.record, a)
    won = await take_over(store, keys, held, record, a, old=None)
    assert isinstance(won, Won)
    held = HeldPartition(record, won.mod_revision)
    by_b = taken_by(held.record, b)

    # `a` lives: whoever believes it gone loses.
    assert await take_over(store, keys, held, by_b, b, (NodeId("a"), ABSENT)) == Lost(
        held, (CreatedAt(keys.node(NodeId("a")), ABSENT),)
    )
    # It restarts: the view shows another incarnation's key.
    await store.revoke_lease(a.lease)
    again = await live(store, keys, "a", run="2")
    assert isinstance(await take_over(store, keys, held, by_b, b, (NodeId("a"), ABSENT)), Lost)
    outcome = await take_over(store, keys, held, by_b, b, (NodeId("a"), again.create_revision))
    assert isinstance(outcome, Won)


async def test_who_is_not_registered_takes_nothing(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    a = await live(store, keys, "a")
    held = await plan(store, keys, leadership, planned(0, "a"))
    await store.revoke_lease(a.lease)
    outcome = await take_over(store, keys, held, taken_by(held.record, a), a, old=None)
    assert outcome == Lost(held, (CreatedAt(keys.node(NodeId("a")), a.create_revision),))


async def test_a_primary_changes_who_is_in_sync_while_it_is_registered(
    store: Store, keys: Keys
) -> None:
    leadership = await leading(store, keys)
    a = await live(store, keys, "a")
    held = await plan(store, keys, leadership, planned(0, "a", "b"))
    record = taken_by(held.record, a)
    won = await take_over(store, keys, held, record, a, old=None)
    assert isinstance(won, Won)
    held = HeldPartition(record, won.mod_revision)

    joined = replace(record, in_sync=(*record.in_sync, Copy(NodeId("b"), CopyId("b-copy"))))
    changed = await change_as_primary(store, keys, held, joined, a)
    assert isinstance(changed, Won)
    stands = HeldPartition(joined, changed.mod_revision)
    # By an older revision it loses, and is told what stands.
    lost = await change_as_primary(store, keys, held, replace(record, handoff_to=NodeId("b")), a)
    assert isinstance(lost, Lost)
    assert lost.current == stands
    await store.revoke_lease(a.lease)
    assert await change_as_primary(store, keys, stands, record, a) == Lost(
        stands, (CreatedAt(keys.node(NodeId("a")), a.create_revision),)
    )


async def test_a_change_whose_answer_was_lost_is_read_back() -> None:
    store, keys = MemoryStore(), Keys("test")
    leadership = await leading(store, keys)
    a = await live(store, keys, "a")
    held = await plan(store, keys, leadership, planned(0, "a", "b"))
    record = taken_by(held.record, a)
    won = await take_over(store, keys, held, record, a, old=None)
    assert isinstance(won, Won)
    joined = replace(record, in_sync=(*record.in_sync, Copy(NodeId("b"), CopyId("b-copy"))))
    store.fail_commits(CommitFault.LOST_AFTER)
    held = HeldPartition(record, won.mod_revision)
    assert isinstance(await change_as_primary(store, keys, held, joined, a), Won)


async def test_256_take_overs_at_once_take_well_under_a_second(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    a = await live(store, keys, "a")
    records = [planned(partition, "a", "b") for partition in range(256)]
    outcomes = await plan_partitions(
        store, keys, [PlannedRecord(record) for record in records], leadership
    )
    held = [
        HeldPartition(record, outcome.mod_revision)
        for record, outcome in zip(records, outcomes, strict=True)
        if isinstance(outcome, Won)
    ]
    started = time.monotonic()
    taken = await asyncio.gather(
        *(take_over(store, keys, h, taken_by(h.record, a), a, old=None) for h in held)
    )
    took_seconds = time.monotonic() - started
    assert len(taken) == 256
    assert all(isinstance(outcome, Won) for outcome in taken)
    print(f"256 take-overs took {took_seconds * 1000:.0f} ms")
    assert took_seconds < 5.0  # far above what a busy machine needs


async def test_a_value_that_cannot_be_read_loses_without_a_crash(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    await store.commit([], [Put(keys.partition(PartitionId(0)), b"junk")])
    await store.commit([], [Put(keys.member(NodeId("m")), b"junk")])
    await store.commit([], [Put(keys.node(NodeId("n")), b"junk")])
    outcome = await plan_partition(store, keys, planned(0, "a"), ABSENT, leadership)
    assert isinstance(outcome, Lost)
    assert outcome.current is None
    member = Member(NodeId("m"), MemberState.LEFT, 1, "")
    lost = await change_member(store, keys, member.id, lambda _: member, leadership)
    assert isinstance(lost, Lost)
    registration = NodeRegistration(NodeId("n"), "h:1", "", 1, Incarnation("i"), "0", "")
    lease = await store.grant_lease(30)
    assert await register_node(store, keys, registration, lease.id) == NameTaken(None)
