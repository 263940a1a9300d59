"""Which records another view has changed."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import held, record
from shoal_coordinator.registry.records import PartitionId
from shoal_coordinator.registry.view import HeldPartition, partitions_changed

COUNT = 6


def records(partitions: list[int]) -> dict[PartitionId, HeldPartition]:
    return {PartitionId(it): held(record(it, "a")) for it in partitions}


some = st.lists(st.integers(0, COUNT), unique=True)


@given(known=some, written=some, gone=some, again=st.booleans())
def test_what_is_another_object_has_changed(
    known: list[int], written: list[int], gone: list[int], again: bool
) -> None:
    before = records(known)
    after: dict[PartitionId, HeldPartition] = {**before, **records(written)}
    for it in gone:
        after.pop(PartitionId(it), None)
    if again:
        # What comes back stands last.
        after |= {PartitionId(it): before[PartitionId(it)] for it in gone if it in before}
    assert sorted(partitions_changed(before, after)) == expected(before, after)


def expected(
    before: Mapping[PartitionId, HeldPartition], after: Mapping[PartitionId, HeldPartition]
) -> list[PartitionId]:
    return sorted(it for it in {*before, *after} if before.get(it) is not after.get(it))


def test_the_same_records_in_another_order_are_the_same() -> None:
    before = records([0, 1, 2])
    after = {it: before[it] for it in sorted(before, reverse=True)}
    assert partitions_changed(before, after) == []
