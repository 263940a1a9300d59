"""Views from events: pure, and the same however the events are split."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal_coordinator.registry import codec
from shoal_coordinator.registry.apply import apply, view_of
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import (
    Changed,
    Event,
    Events,
    Item,
    LeaseId,
    Reading,
    Removed,
    Revision,
)
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    CoordinatorLeader,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView

# A busy machine is no failure.
CALM = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])

KEYS = Keys("c")
NODES = [NodeId("a"), NodeId("b"), NodeId("ab")]
EMPTY = ClusterView(cluster="c", revision=Revision(0))


def registration(node: NodeId, incarnation: str) -> bytes:
    return codec.encode_registration(
        NodeRegistration(node, "h:1", "", 1, Incarnation(incarnation), "0", "")
    )


def partition(number: int, first: NodeId) -> bytes:
    record = PartitionRecord(PartitionId(number), UNTAKEN, None, None, (), (), (first,))
    return codec.encode_partition(record)


def changed(key: str, value: bytes, revision: int, created: int | None = None) -> Changed:
    created_at = Revision(revision if created is None else created)
    return Changed(Item(key, value, created_at, Revision(revision), LeaseId(created_at % 7)))


keys_and_values = st.one_of(
    st.builds(
        lambda node, run: (KEYS.node(node), registration(node, run)),
        st.sampled_from(NODES),
        st.sampled_from("xyz"),
    ),
    st.builds(
        lambda node, state: (KEYS.member(node), codec.encode_member(Member(node, state, 1, ""))),
        st.sampled_from(NODES),
        st.sampled_from(MemberState),
    ),
    st.builds(
        lambda number, node: (KEYS.partition(PartitionId(number)), partition(number, node)),
        st.integers(0, 3),
        st.sampled_from(NODES),
    ),
    st.builds(
        lambda name: (KEYS.leader, codec.encode_leader(CoordinatorLeader(name, "h:2"))),
        st.sampled_from("pq"),
    ),
    st.just((KEYS.config, codec.encode_config(ClusterConfig(4, 1, 3, 1, "x")))),
    st.tuples(
        st.sampled_from([KEYS.node(NodeId("a")), KEYS.partition(PartitionId(1)), KEYS.leader]),
        st.just(b"not a record"),
    ),
    st.tuples(st.sampled_from([KEYS.prefix + "later/thing", KEYS.prefix + "x"]), st.just(b"?")),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Events]:
    """Events as a store would tell them, one batch a revision."""
    created: dict[str, int] = {}
    history: list[Events] = []
    for revision in range(2, 2 + draw(st.integers(0, 25))):
        events: list[Event] = []
        writes = draw(st.lists(keys_and_values, min_size=1, max_size=3, unique_by=lambda kv: kv[0]))
        for key, value in writes:
            if key in created and draw(st.booleans()):
                del created[key]
                events.append(Removed(key, Revision(revision)))
            else:
                created.setdefault(key, revision)
                events.append(changed(key, value, revision, created[key]))
        history.append(Events(Revision(revision), tuple(events)))
    return history


def merged(history: list[Events]) -> Events:
    return Events(
        history[-1].revision, tuple(event for events in history for event in events.events)
    )


def final(history: list[Events]) -> ClusterView:
    view = EMPTY
    for events in history:
        view = apply(view, events).view
    return view


@CALM
@given(history=histories(), data=st.data())
def test_any_split_into_batches_gives_the_same_view(
    history: list[Events], data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(1, max(1, len(history) - 1))))
    edges = sorted({0, len(history), *(cut for cut in cuts if cut < len(history))})
    split = [merged(history[start:end]) for start, end in pairwise(edges)]
    assert final(split) == final(history)


@CALM
@given(history=histories())
def test_a_listing_gives_the_view_that_events_give(history: list[Events]) -> None:
    """Where every value can be read: a listing cannot know what stood before a corrupt one."""
    readable = [
        Events(
            events.revision,
            tuple(
                e
                for e in events.events
                if isinstance(e, Removed) or e.item.value != b"not a record"
            ),
        )
        for events in history
    ]
    standing: dict[str, Item] = {}
    for events in readable:
        for event in events.events:
            if isinstance(event, Changed):
                standing[event.item.key] = event.item
            else:
                standing.pop(event.key, None)
    if not history:
        return
    reading = Reading(history[-1].revision, tuple(standing[key] for key in sorted(standing)))
    assert view_of(KEYS, reading).view == final(readable)
    for missed in range(len(readable)):
        assert view_of(KEYS, reading, final(readable[:missed])).view == final(readable)


@CALM
@given(history=histories())
def test_views_that_were_given_out_do_not_change(history: list[Events]) -> None:
    view, pictures = EMPTY, []
    for events in history:
        pictures.append((view, dict(view.nodes), dict(view.members), dict(view.partitions)))
        view = apply(view, events).view
    for old, nodes, members, partitions in pictures:
        assert (dict(old.nodes), dict(old.members), dict(old.partitions)) == (
            nodes,
            members,
            partitions,
        )


def test_what_did_not_change_is_not_copied() -> None:
    node = NodeId("a")
    view = final([Events(Revision(2), (changed(KEYS.node(node), registration(node, "x"), 2),))])
    after = apply(
        view, Events(Revision(3), (changed(KEYS.partition(PartitionId(0)), partition(0, node), 3),))
    ).view
    assert after.nodes is view.nodes
    assert after.members is view.members
    assert after.partitions is not view.partitions


def test_an_unusable_value_leaves_the_previous_record_and_is_told() -> None:
    node = NodeId("a")
    key = KEYS.node(node)
    view = final([Events(Revision(2), (changed(key, registration(node, "x"), 2),))])

    applied = apply(view, Events(Revision(3), (changed(key, b"junk", 3, 2),)))
    assert applied.view.nodes == view.nodes
    assert applied.view.revision == 3
    assert [corrupt.key for corrupt in applied.corrupt] == [key]

    listed = view_of(KEYS, Reading(Revision(3), (changed(key, b"junk", 3, 2).item,)), view)
    assert listed.view.nodes == view.nodes
    assert len(listed.corrupt) == 1

    gone = apply(applied.view, Events(Revision(4), (Removed(key, Revision(4)),)))
    assert gone.view.nodes == {}
    assert gone.corrupt == ()


def test_a_value_under_the_wrong_key_is_unusable() -> None:
    swapped = (
        changed(KEYS.node(NodeId("b")), registration(NodeId("a"), "x"), 2),
        changed(KEYS.partition(PartitionId(1)), partition(0, NodeId("a")), 2),
        changed(KEYS.prefix + "partitions/x", partition(0, NodeId("a")), 2),
    )
    applied = apply(EMPTY, Events(Revision(2), swapped))
    assert len(applied.corrupt) == 3
    assert (applied.view.nodes, applied.view.partitions) == ({}, {})
