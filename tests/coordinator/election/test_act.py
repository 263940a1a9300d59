"""Carrying actions out under a leadership."""

from __future__ import annotations

from collections import Counter

import pytest

from cluster_views import member, record
from shoal_coordinator.election.act import Actor, LeadershipLost
from shoal_coordinator.planning.actions import (
    AdmitMember,
    MarkHandoff,
    PlanPartition,
    RefreshMember,
)
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import CommitFault, MemoryStore
from shoal_coordinator.registry.operations import (
    Elected,
    MemberChange,
    campaign,
    change_membership,
    resign,
)
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import CoordinatorLeader, MemberState, NodeId
from shoal_coordinator.registry.view import ClusterView, ElectedLeader, HeldPartition

KEYS = Keys("test")


class Counts:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def carried_out(self, kind: str, number: int) -> None:
        self.of[kind] += number


async def elected(store: MemoryStore) -> ElectedLeader:
    lease = await store.grant_lease(3)
    answer = await campaign(store, KEYS, CoordinatorLeader("one", "one:1"), lease.id)
    assert isinstance(answer, Elected)
    return answer.leadership


async def view_in(store: MemoryStore) -> ClusterView:
    return view_of(KEYS, await store.read(KEYS.prefix)).view


def plans(count: int) -> list[PlanPartition]:
    return [PlanPartition(record(p, preference="a b")) for p in range(count)]


async def test_what_is_carried_out_stands_and_is_counted() -> None:
    store, counts = MemoryStore(), Counts()
    actor = Actor(store, KEYS, await elected(store), counts)
    written = await actor.carry_out([AdmitMember(member("a")), *plans(120)])
    view = await view_in(store)
    assert written == view.revision
    assert set(view.members) == {"a"}
    assert len(view.partitions) == 120
    assert counts.of == {"AdmitMember": 1, "PlanPartition": 120}


async def test_nothing_to_do_writes_nothing() -> None:
    store = MemoryStore()
    actor = Actor(store, KEYS, await elected(store), Counts())
    assert await actor.carry_out([]) == 0


async def test_an_outdated_action_loses_quietly() -> None:
    store, counts = MemoryStore(), Counts()
    actor = Actor(store, KEYS, await elected(store), counts)
    await actor.carry_out(plans(1))
    outdated = HeldPartition(record(0, "a", preference="b a"), Revision(1))
    assert await actor.carry_out([MarkHandoff(outdated, NodeId("b"))]) == 0
    assert counts.of == {"PlanPartition": 1}
    assert (await view_in(store)).partitions[outdated.record.partition].record.handoff_to is None


@pytest.mark.parametrize("fault", list(CommitFault))
async def test_a_failed_commit_does_not_end_the_leadership(fault: CommitFault) -> None:
    store, counts = MemoryStore(), Counts()
    actor = Actor(store, KEYS, await elected(store), counts)
    store.fail_commits(fault)
    await actor.carry_out(plans(1))
    stands = len((await view_in(store)).partitions)
    assert counts.of["PlanPartition"] == stands == (0 if fault is CommitFault.REFUSED else 1)


@pytest.mark.parametrize("action", [AdmitMember(member("a")), plans(1)[0]])
async def test_after_another_election_nothing_can_be_written(
    action: AdmitMember | PlanPartition,
) -> None:
    store = MemoryStore()
    old = await elected(store)
    await resign(store, KEYS, old)
    await elected(store)
    with pytest.raises(LeadershipLost):
        await Actor(store, KEYS, old, Counts()).carry_out([action])
    view = await view_in(store)
    assert not view.members
    assert not view.partitions


async def test_what_an_operator_said_meanwhile_is_not_written_over() -> None:
    store = MemoryStore()
    actor = Actor(store, KEYS, await elected(store), Counts())
    await actor.carry_out([AdmitMember(member("a"))])
    heavier = RefreshMember(member("a", weight=300), before=member("a"))
    drained = MemberChange(member("a", MemberState.DRAINING))
    await change_membership(store, KEYS, lambda _: drained)
    await actor.carry_out([heavier, AdmitMember(member("a"))])
    assert (await view_in(store)).members == {"a": drained.member}
    await actor.carry_out([RefreshMember(member("a"), before=drained.member)])
    assert (await view_in(store)).members == {"a": member("a")}
