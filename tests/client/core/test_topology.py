"""How statements about the cluster merge."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shoal._core.slots import slot_of
from shoal._core.topology import Moved, Topology
from shoal.v1 import topology_pb2 as pb

P = 4


def update(revision, owners, *, nodes=("a", "b", "c"), epochs=None, complete=True, removed=()):
    """``owners``: partition to node id."""
    return pb.Topology(
        cluster="t",
        revision=revision,
        complete=complete,
        partition_count=P,
        nodes=[pb.Node(id=node, address=f"{node}:1") for node in nodes],
        removed_nodes=removed,
        partitions=[
            pb.Partition(id=partition, epoch=(epochs or {}).get(partition, 1), primary=owner)
            for partition, owner in owners.items()
        ],
    )


FIRST = update(10, {0: "a", 1: "b", 2: "c", 3: "a"})


def test_nothing_is_known_at_first():
    empty = Topology()
    assert empty.owner_address(b"k") == ""
    assert empty.merged(update(5, {0: "a"}, complete=False)) is empty


def test_a_complete_update_routes():
    known = Topology().merged(FIRST)
    assert known.revision == 10
    assert known.addresses == ("a:1", "b:1", "c:1", "a:1")
    key = b"foo"
    assert known.owner_address(key) == known.addresses[slot_of(key) * P // 16384]
    assert known.partition_of("foo") is known.partition_of(b"foo")


def test_changes_are_applied_on_top():
    change = update(12, {1: "c"}, nodes=("d",), epochs={1: 2}, complete=False, removed=("b",))
    known = Topology().merged(FIRST).merged(change)
    assert known.addresses == ("a:1", "c:1", "c:1", "a:1")
    assert set(known.nodes) == {"a", "c", "d"}


def test_a_partition_nobody_serves_has_no_address():
    known = Topology().merged(FIRST).merged(update(11, {0: ""}, complete=False))
    assert known.addresses[0] == ""


def test_a_primary_that_is_gone_has_no_address():
    known = Topology().merged(FIRST)
    known = known.merged(update(11, {}, nodes=(), complete=False, removed=("a",)))
    assert known.addresses == ("", "b:1", "c:1", "")


def test_older_never_overwrites_newer():
    known = Topology().merged(FIRST)
    assert known.merged(update(9, {0: "b"}, epochs={0: 9})) is known
    assert known.merged(update(10, {0: "b"}, epochs={0: 9})) is known


def test_another_cluster_is_ignored():
    known = Topology().merged(FIRST)
    foreign = update(99, {0: "b"})
    foreign.cluster = "other"
    assert known.merged(foreign) is known
    resized = update(99, {0: "b"})
    resized.partition_count = 8
    assert known.merged(resized) is known


def test_moved_changes_one_partition():
    known = Topology().merged(FIRST).moved(Moved(0, 2, "z", "z:9"))
    assert known.addresses == ("z:9", "b:1", "c:1", "a:1")
    assert known.revision == 10


def test_moved_with_no_higher_epoch_changes_nothing():
    known = Topology().merged(FIRST)
    assert known.moved(Moved(0, 1, "z", "z:9")) is known
    assert known.moved(Moved(99, 5, "z", "z:9")) is known
    assert known.moved(Moved(-1, 5, "z", "z:9")) is known
    assert known.moved(Moved(0, 5, "", "")) is known
    assert Topology().moved(Moved(0, 5, "z", "z:9")) == Topology()


def test_a_newer_update_of_an_older_epoch_does_not_undo_moved():
    known = Topology().merged(FIRST).moved(Moved(0, 5, "z", "z:9"))
    known = known.merged(update(11, {0: "b", 1: "b", 2: "c", 3: "a"}, epochs={0: 4}))
    assert known.addresses[0] == "z:9"
    known = known.merged(update(12, {0: "b"}, epochs={0: 5}, complete=False))
    assert known.addresses[0] == "b:1"


@st.composite
def histories(draw):
    """Complete updates as one cluster would tell them: epochs rise with revisions."""
    epochs = dict.fromkeys(range(P), 1)
    owners = dict.fromkeys(range(P), "a")
    updates = []
    revision = 0
    for _ in range(draw(st.integers(1, 6))):
        revision += draw(st.integers(1, 3))
        for partition in draw(st.sets(st.integers(0, P - 1))):
            epochs[partition] += 1
            owners[partition] = draw(st.sampled_from(["a", "b", "c"]))
        updates.append(update(revision, dict(owners), epochs=dict(epochs)))
    return updates


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(history, random):
    shuffled = list(history)
    random.shuffle(shuffled)
    known = Topology()
    for told in shuffled:
        known = known.merged(told)
    assert known == Topology().merged(history[-1])


@given(histories(), st.randoms(use_true_random=False), st.data())
def test_epochs_and_revisions_never_fall(history, random, data):
    statements = [*history]
    for _ in range(data.draw(st.integers(0, 4))):
        partition = data.draw(st.integers(0, P - 1))
        statements.append(Moved(partition, data.draw(st.integers(0, 8)), "m", "m:1"))
    random.shuffle(statements)
    known = Topology()
    for statement in statements:
        before = known
        known = known.moved(statement) if isinstance(statement, Moved) else known.merged(statement)
        assert known.revision >= before.revision
        for old, new in zip(before.partitions, known.partitions, strict=False):
            assert new.epoch >= old.epoch
            if new.epoch == old.epoch and known.revision == before.revision:
                assert new == old
        assert len(known.addresses) == len(known.partitions)


@given(histories(), st.integers(0, 5))
def test_a_stream_of_changes_equals_the_complete_picture(history, cut):
    known = Topology().merged(history[0])
    for before, after in pairwise(history):
        changed = {
            partition.id: partition.primary
            for old, partition in zip(before.partitions, after.partitions, strict=True)
            if old != partition
        }
        epochs = {partition.id: partition.epoch for partition in after.partitions}
        known = known.merged(
            update(after.revision, changed, nodes=(), epochs=epochs, complete=False)
        )
        # Late answers of other nodes change nothing.
        known = known.merged(history[min(cut, history.index(after))])
    assert known == Topology().merged(history[-1])
