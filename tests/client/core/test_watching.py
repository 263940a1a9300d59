from __future__ import annotations

from itertools import pairwise
from random import Random

from shoal._core.core import Core
from shoal._core.settings import checked_settings
from shoal._core.watching import LONGEST_PAUSE_SECONDS, SHORTEST_REFRESH_SECONDS, Watching
from shoal.v1 import topology_pb2


def watching(clock, *, nodes=(), seed=7):
    core = Core(
        checked_settings(["seed:1", "seed:2"]), clock=clock, rng=Random(seed), draw_id=bytes
    )
    core.learn(
        topology_pb2.Topology(
            cluster="t",
            revision=1,
            complete=True,
            partition_count=1,
            nodes=[topology_pb2.Node(id=node, address=f"{node}:1") for node in nodes],
        )
    )
    return core, Watching(core)


def test_everybody_is_asked_before_anybody_twice(clock):
    for seed in range(20):
        _, watch = watching(clock, nodes=("a", "b"), seed=seed)
        asked = [watch.next_address() for _ in range(12)]
        everybody = {"a:1", "b:1", "seed:1", "seed:2"}
        assert set(asked[:4]) == set(asked[4:8]) == set(asked[8:]) == everybody
        assert all(one != next_ for one, next_ in pairwise(asked))


def test_a_node_that_left_is_not_asked(clock):
    core, watch = watching(clock, nodes=("a", "b"))
    watch.next_address()
    core.learn(topology_pb2.Topology(revision=2, removed_nodes=["a", "b"]))
    assert {watch.next_address() for _ in range(8)} == {"seed:1", "seed:2"}


def test_pauses_grow_and_an_update_ends_that(clock):
    _, watch = watching(clock)
    pauses = [watch.pause_seconds() for _ in range(12)]
    assert pauses[0] <= 0.02
    assert all(0 < pause <= LONGEST_PAUSE_SECONDS for pause in pauses)
    assert pauses[-1] >= LONGEST_PAUSE_SECONDS / 2
    watch.note_update()
    assert watch.pause_seconds() <= 0.02


def test_refreshes_are_spaced(clock):
    _, watch = watching(clock)
    assert watch.wants_refresh()
    assert not watch.wants_refresh()
    clock.now += SHORTEST_REFRESH_SECONDS
    assert watch.wants_refresh()


def test_a_refresh_is_no_failure(clock):
    _, watch = watching(clock)
    assert watch.wants_refresh()
    assert watch.pause_seconds() == 0
    assert 0 < watch.pause_seconds() <= 0.02


def test_the_known_revision_is_told(clock):
    core, watch = watching(clock)
    assert watch.known_revision == 1
    core.learn(topology_pb2.Topology(revision=9))
    assert watch.known_revision == 9
