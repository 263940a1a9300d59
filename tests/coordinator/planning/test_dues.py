"""What is due, found of one view after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import held, live, record, view
from shoal_coordinator.placement.place import PlacedPartition, Placement
from shoal_coordinator.planning.dues import Dues, dues_of
from shoal_coordinator.registry.records import NodeId, PartitionId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView

A, B, C = map(NodeId, "abc")
COUNT = 4

nodes = st.sampled_from("abc")
orders = st.permutations("abc").map(" ".join)
records = st.builds(
    record,
    st.integers(0, COUNT),
    st.none() | nodes,
    run=st.integers(1, 2),
    preference=orders,
    replicas=st.sampled_from(["", "b", "c"]),
    in_sync=st.sampled_from(["", "b", "c/2", "b c"]),
    handoff_to=st.none() | nodes,
)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    placed = []
    for partition in range(COUNT):
        preference = tuple(map(NodeId, draw(orders).split()))
        replicas = preference[1 : 1 + draw(st.integers(0, 1))]
        placed.append(PlacedPartition(PartitionId(partition), preference, replicas))
    return Placement(tuple(placed))


registered = st.dictionaries(nodes, st.integers(1, 2)).map(
    lambda runs: {NodeId(node): live(node, run=run) for node, run in runs.items()}
)
steps = st.one_of(records, placements(), registered, st.integers(0, COUNT - 1))


def after(seen: ClusterView, step: object) -> ClusterView:
    """The view once a record is written or gone, or others are registered."""
    match step:
        case PartitionRecord():
            return replace(seen, partitions={**seen.partitions, step.partition: held(step)})
        case int():
            left = {it: known for it, known in seen.partitions.items() if it != step}
            return replace(seen, partitions=left)
        case dict():
            return replace(seen, nodes=step)
    return seen


@given(placements(), st.lists(steps, max_size=12))
def test_what_is_kept_is_what_would_be_found_anew(wanted: Placement, story: list[object]) -> None:
    seen = view(nodes=(live("a"), live("b"), live("c")))
    kept = dues_of(seen, wanted)
    for step in story:
        wanted = step if isinstance(step, Placement) else wanted
        seen = after(seen, step)
        kept = dues_of(seen, wanted, kept)
        anew = dues_of(seen, wanted)
        assert kept == anew
        assert in_order(kept) == in_order(anew)


def in_order(dues: Dues) -> list[list[PartitionId]]:
    told = [getattr(dues, it.name) for it in fields(dues) if it.name not in {"there_of", "records"}]
    by_partition = [[*it] for it in told if isinstance(it, Mapping) and it is not dues.nodes]
    assert by_partition == [sorted(it) for it in by_partition]
    return by_partition


def test_nothing_is_looked_at_where_nothing_has_changed() -> None:
    wanted = Placement((PlacedPartition(PartitionId(0), (A,), ()),))
    seen = view(nodes=(live("a"),), records=(record(0, "a", preference="a"),))
    known = dues_of(seen, wanted)
    assert dues_of(replace(seen, leader=None), wanted, known) is known


def test_who_has_a_copy_in_sync_has_it_in_the_run_that_lives() -> None:
    wanted = Placement((PlacedPartition(PartitionId(0), (A, B), (B,)),))
    restarted = view(nodes=(live("a"), live("b", run=2)), records=(record(0, "a", in_sync="b c"),))
    assert dues_of(restarted, wanted).there_of == {PartitionId(0): {A}}
    assert dues_of(restarted, wanted).below == {PartitionId(0)}
    back = view(nodes=(live("a"), live("b")), records=(record(0, "a", in_sync="b c"),))
    assert dues_of(back, wanted).there_of == {PartitionId(0): {A, B}}
    assert not dues_of(back, wanted).below


def test_of_a_partition_one_thing_is_rewritten_at_a_time() -> None:
    """For nothing where the copies are there; else for copies, and with the hand-over."""
    wanted = Placement((PlacedPartition(PartitionId(0), (B, A), (A,)),))
    both = (live("a"), live("b"))
    there = record(0, "a", preference="a b", replicas="b", in_sync="b")
    found = dues_of(view(nodes=both, records=(there,)), wanted)
    assert (len(found.updates), len(found.copies), len(found.hand_overs)) == (1, 0, 0)
    lacking = record(0, "a", preference="a c", replicas="c", in_sync="c")
    nodes_of_all = (*both, live("c"))
    found = dues_of(view(nodes=nodes_of_all, records=(lacking,)), wanted)
    assert (len(found.updates), len(found.copies)) == (0, 1)
    flight, update = found.copies[PartitionId(0)]
    assert (flight.targets, flight.is_repair, update.hands_over) == ((B,), False, True)
    ordered = record(0, "a", preference="b a", replicas="a", in_sync="b")
    found = dues_of(view(nodes=both, records=(ordered,)), wanted)
    assert [it.target for _, it in found.hand_overs.values()] == [B]
