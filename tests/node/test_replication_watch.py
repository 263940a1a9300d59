"""When replication is read, and what of it is news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from cluster_views import copy
from shoal_coordinator.registry.records import Epoch, Incarnation, NodeId, PartitionId
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.local import Joining, Local, Required
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication
from shoal_node.replication_watch import ReplicationWatch

POLICY = Policy()
P = PartitionId(0)
B = Follower("b", copy("b").copy_id, 9, 0, is_streaming=True)
MINE = PartitionReplication(0, "primary", 1, 9, 1, copy("a").copy_id, (B,), 9)


@dataclass
class Plane:
    """Tells what it is made to tell, and counts how often it is read."""

    told: list[PartitionReplication] = field(default_factory=lambda: [MINE])
    news: int = 1
    changed: list[int] = field(default_factory=lambda: [P])
    reads: int = 0
    asked: list[Sequence[int]] = field(default_factory=list)

    def replication(self, partitions: Sequence[int] | None = None) -> list[PartitionReplication]:
        self.reads += 1
        self.asked.append(partitions or ())
        return [it for it in self.told if partitions is None or it.partition in partitions]

    def take_replication_changed(self) -> list[int]:
        return self.changed

    def replication_news(self) -> int:
        return self.news


def watched() -> tuple[Plane, Local, ReplicationWatch]:
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.opened(P, Epoch(1), copy("a").copy_id)
    local.requires(P, Required((copy("b"),), 2))
    plane = Plane()
    watch = ReplicationWatch(cast("DataPlanePort", plane), local, POLICY)
    assert watch.look(0)
    return plane, local, watch


def test_without_news_it_is_read_only_now_and_then() -> None:
    plane, _, watch = watched()
    for now_ms in range(0, POLICY.replication_look_ms, POLICY.replication_poll_ms):
        assert not watch.look(now_ms)
    assert plane.reads == 1
    assert not watch.look(POLICY.replication_look_ms)
    assert plane.reads == 2


def test_it_is_read_at_once_when_there_is_news() -> None:
    plane, local, watch = watched()
    plane.news, plane.told = 2, [MINE._replace(followers=())]
    assert watch.look(1)
    assert local.observed[P].followers == ()


def test_that_sequences_go_up_matters_only_to_who_waits_for_one() -> None:
    plane, local, watch = watched()
    plane.news, plane.told = 2, [MINE._replace(followers=(B._replace(acked_seq=10),), head_seq=10)]
    assert not watch.look(1)
    local.joining[P] = Joining(copy("b"), 11, 0)
    assert watch.look(2)


def test_a_lag_that_grew_is_noticed_without_news() -> None:
    plane, _, watch = watched()
    plane.told = [MINE._replace(followers=(B._replace(lag_ms=1_001),))]
    assert watch.look(POLICY.replication_look_ms)


def test_a_copy_that_is_waited_for_and_does_not_follow_is_looked_at_again() -> None:
    plane, _, watch = watched()
    plane.news, plane.told = 2, [MINE._replace(followers=())]
    watch.look(1)
    assert watch.look(1 + POLICY.replication_look_ms)


def test_a_tour_of_many_copies_reads_some_at_each_look() -> None:
    plane, local, watch = watched()
    many = [MINE._replace(partition=PartitionId(it)) for it in range(300)]
    plane.told, plane.changed, plane.news = many, [it.partition for it in many], 2
    for it in many[1:]:
        local.opened(it.partition, Epoch(1), copy("a").copy_id)
        local.requires(it.partition, Required((copy("b"),), 2))
    assert watch.look(1)
    plane.told = [*many[:-1], many[-1]._replace(followers=(B._replace(lag_ms=1_001),))]
    due_ms = POLICY.replication_look_ms
    plane.asked.clear()
    for now_ms, is_last in ((due_ms, False), (due_ms + 3, False), (due_ms + 6, True)):
        assert watch.look(now_ms) == is_last, "the last one lags"
        assert watch.is_round == is_last
        assert watch.lagging == ([PartitionId(299)] if is_last else [])
        assert watch.wait_ms(now_ms) == (due_ms - 6 if is_last else 1)
    assert [it for some in plane.asked for it in some] == [it.partition for it in many]
    assert max(map(len, plane.asked)) <= 128
    assert not watch.look(due_ms + 9)
    assert len(plane.asked) == 3


def test_what_is_not_replicated_is_not_read() -> None:
    plane, local, watch = watched()
    plane.news, plane.told = 2, [MINE._replace(followers=())]
    local.requires(P, Required((), 1))
    watch.look(1)
    assert plane.reads == 2
    assert not watch.look(POLICY.replication_look_ms)
    assert plane.reads == 2
    assert watch.is_round, "of nothing"
    local.requires(P, Required((copy("b"),), 2))
    watch.look(2 * POLICY.replication_look_ms)
    assert plane.reads == 3


def test_a_decision_reads_it_only_if_it_is_new_or_expired() -> None:
    plane, _, watch = watched()
    watch.refresh()
    assert plane.reads == 1
    watch.expire()
    watch.refresh()
    assert plane.reads == 2


def test_without_news_it_waits_for_the_next_look_or_for_who_joins() -> None:
    _, local, watch = watched()
    assert watch.wait_ms(0) == POLICY.replication_look_ms
    assert watch.wait_ms(POLICY.replication_look_ms - 5) == 5
    assert watch.wait_ms(POLICY.replication_look_ms + 5) == 1
    local.joining[P] = Joining(copy("b"), 11, 0)
    assert watch.wait_ms(0) == POLICY.replication_poll_ms


def test_news_of_one_partition_reads_no_other() -> None:
    plane, local, watch = watched()
    other = MINE._replace(partition=1, epoch=7)
    plane.news, plane.told, plane.changed = 2, [MINE._replace(followers=()), other], [1]
    assert watch.look(1)
    assert local.observed[P].followers == (B,), "nobody told that it is another"
    assert local.observed[PartitionId(1)].epoch == 7
    plane.news, plane.told = 3, [MINE]
    assert watch.look(2)
    assert PartitionId(1) not in local.observed, "it was closed"
