"""Members: written by the leader and by operators, and no change is lost. On both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from registry_scenes import leading
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import (
    MemberChange,
    MemberStands,
    Won,
    change_member,
    change_membership,
)
from shoal_coordinator.registry.port import Reading, Store
from shoal_coordinator.registry.records import Member, MemberState, NodeId
from shoal_coordinator.registry.view import ClusterView


async def test_a_member_is_changed_from_what_stands(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    node = NodeId("n1")
    joining = Member(node, MemberState.JOINING, 1, "")
    active = replace(joining, state=MemberState.ACTIVE)
    seen: list[Member | None] = []

    async def change(wanted: Member | None) -> Won:
        def note(stands: Member | None) -> Member | None:
            seen.append(stands)
            return wanted

        outcome = await change_member(store, keys, node, note, leadership)
        assert isinstance(outcome, Won)
        return outcome

    created = await change(joining)
    # What stands already, and what is not wanted otherwise, is left alone.
    assert await change(joining) == created
    assert await change(None) == created
    changed = await change(active)
    assert changed.mod_revision > created.mod_revision
    assert seen == [None, joining, joining, joining]


async def test_a_change_of_a_member_is_made_anew_of_what_came_between(
    store: Store, keys: Keys
) -> None:
    leadership = await leading(store, keys)
    node = NodeId("n1")
    joining = Member(node, MemberState.JOINING, 1, "")
    await change_member(store, keys, node, lambda _: joining, leadership)
    decided: list[MemberState] = []

    def weigh(seen: ClusterView) -> MemberChange:
        decided.append(seen.members[node].state)
        return MemberChange(replace(seen.members[node], weight=7))

    async def added(prefix: str) -> Reading:
        reading = await store.read(prefix)
        if not decided:
            active = replace(joining, state=MemberState.ACTIVE)
            await change_member(store, keys, node, lambda _: active, leadership)
        return reading

    between = cast("Store", SimpleNamespace(read=added, commit=store.commit))
    stands = await change_membership(between, keys, weigh)
    assert decided == [MemberState.JOINING, MemberState.ACTIVE]
    assert stands == MemberStands(Member(node, MemberState.ACTIVE, 7, ""), changed=True)
    assert await change_membership(store, keys, weigh) == replace(stands, changed=False)


async def test_of_two_changes_that_count_on_each_other_the_second_is_refused(
    store: Store, keys: Keys
) -> None:
    leadership = await leading(store, keys)
    one, other = (Member(NodeId(name), MemberState.ACTIVE, 1, "") for name in ("n1", "n2"))
    for it in (one, other):
        await change_member(store, keys, it.id, lambda _, it=it: it, leadership)  # type: ignore[misc]

    def drain(mine: NodeId, others: NodeId) -> Callable[[ClusterView], MemberChange | str]:
        def decide(seen: ClusterView) -> MemberChange | str:
            if seen.members[others].state is not MemberState.ACTIVE:
                return "refused"
            drained = replace(seen.members[mine], state=MemberState.DRAINING)
            return MemberChange(drained, (others,))

        return decide

    outcomes = await asyncio.gather(
        change_membership(store, keys, drain(one.id, other.id)),
        change_membership(store, keys, drain(other.id, one.id)),
    )
    assert sum(outcome == "refused" for outcome in outcomes) == 1
