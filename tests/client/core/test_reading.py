"""Stories of reads that any copy may answer, and what a session asks of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import shoal
from shoal import Outcome, Version
from shoal._core import operations
from shoal._core.failures import Code, Failure
from shoal._core.session import Remembered
from shoal.v1 import cache_pb2, topology_pb2

UNREACHABLE = Failure(Code.UNAVAILABLE, "UNREACHABLE", Outcome.NOT_APPLIED, "failed to connect")
MISS = cache_pb2.GetResponse(status=cache_pb2.MISS)
MOVED = Failure(
    Code.FAILED_PRECONDITION,
    "MOVED",
    Outcome.NOT_APPLIED,
    "moved",
    {"owner": "b", "address": "b:1", "epoch": "1", "partition": "1"},
)


class Last:
    """Draws the last of several choices: a replica, where there is one."""

    def __init__(self, rng):
        self._rng = rng

    def __getattr__(self, name):
        return getattr(self._rng, name)

    def choice(self, several):
        return several[-1]


@pytest.fixture
def core(core):
    """Partition 1 is b's and has copies at c and a; the others have none."""
    core.learn(
        topology_pb2.Topology(
            revision=11,
            partitions=[
                topology_pb2.Partition(
                    id=1, epoch=1, primary="b", in_sync=["b", "c", "a"], replicas=["c", "a"]
                )
            ],
        )
    )
    core.rng = Last(core.rng)
    return core


def get(core, key, **options):
    named = {"read": "any", "at_least": None, "timeout": None, **options}
    return operations.get(core, key, **named)


def hit_at(value, epoch, seq):
    version = cache_pb2.Version(epoch=epoch, seq=seq)
    return cache_pb2.GetResponse(status=cache_pb2.HIT, value=value, version=version)


def test_a_copy_is_drawn(core, key_of, play, hit):
    story = play(get(core, key_of(1)), [hit(b"v")])
    assert story.lines == ["a:1 Get routed 0.500"]
    assert story.requests[0].read == cache_pb2.READ_MODE_ANY
    assert not story.requests[0].HasField("at_least")


def test_every_copy_has_its_turn(core, key_of):
    assert core.topology.reader_addresses(key_of(1).encode()) == ["b:1", "c:1", "a:1"]
    assert core.topology.reader_addresses(key_of(2).encode()) == ["c:1"]


@pytest.fixture
def zoned(core):
    """The client is in zone z-c, where c is; the other two nodes are elsewhere."""
    core.settings = replace(core.settings, zone="z-c")
    core.learn(
        topology_pb2.Topology(
            revision=12,
            nodes=[topology_pb2.Node(id=n, address=f"{n}:1", zone=f"z-{n}") for n in "abc"],
        )
    )
    return core


def test_the_nearest_copy_is_the_one_in_the_zone_of_the_client(zoned, key_of, play, hit):
    story = play(get(zoned, key_of(1), read="nearest"), [hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500"]
    assert story.requests[0].read == cache_pb2.READ_MODE_ANY
    many = operations.get_many(zoned, [key_of(1)], read="nearest", at_least=None, timeout=None)
    story = play(many, [cache_pb2.MGetResponse(entries=[MISS])])
    assert story.lines == ["c:1 MGet routed 0.500"]


def test_where_no_copy_is_near_any_is_drawn(zoned, key_of, play, hit):
    zoned.settings = replace(zoned.settings, zone="z-elsewhere")
    story = play(get(zoned, key_of(1), read="nearest"), [hit(b"v")])
    assert story.lines == ["a:1 Get routed 0.500"]


def test_the_nearest_copy_must_be_in_sync(zoned, key_of, play, hit):
    fallen_behind = topology_pb2.Partition(
        id=1, epoch=1, primary="b", in_sync=["b", "a"], replicas=["c", "a"]
    )
    zoned.learn(topology_pb2.Topology(revision=13, partitions=[fallen_behind]))
    story = play(get(zoned, key_of(1), read="nearest"), [hit(b"v")])
    assert story.lines == ["a:1 Get routed 0.500"]


def test_a_nearest_copy_that_cannot_answer_leads_to_the_primary(zoned, key_of, play, hit):
    story = play(get(zoned, key_of(1), read="nearest"), [UNREACHABLE, hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500", "refresh", "b:1 Get routed 0.500"]


def test_what_the_client_reads_from_holds_where_a_call_names_nothing(zoned, key_of, play, hit):
    zoned.settings = replace(zoned.settings, read_from=shoal.ReadMode.NEAREST)
    story = play(get(zoned, key_of(1), read=None), [hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500"]
    story = play(get(zoned, key_of(1), read=None, at_least=Version(1, 3)), [hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500"]
    assert story.requests[0].at_least == cache_pb2.Version(epoch=1, seq=3)
    story = play(get(zoned, key_of(1), session=Remembered()), [hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500"]
    story = play(get(zoned, key_of(1), read="primary"), [hit(b"v")])
    assert story.lines == ["b:1 Get routed 0.500"]


def test_nearest_without_a_zone_is_a_sentence(core, key_of, play):
    story = play(get(core, key_of(1), read="nearest"), [])
    assert type(story.error) is shoal.InvalidRequest
    assert "zone=" in str(story.error)


def test_a_read_of_the_primary_goes_there(core, key_of, play, hit):
    story = play(get(core, key_of(1), read="primary"), [hit(b"v")])
    assert story.lines == ["b:1 Get routed 0.500"]
    assert story.requests[0].read == cache_pb2.READ_MODE_PRIMARY


@pytest.mark.parametrize("failure", [UNREACHABLE, MOVED])
def test_a_copy_that_cannot_answer_leads_to_the_primary_at_once(core, key_of, play, hit, failure):
    story = play(get(core, key_of(1)), [failure, hit(b"v")])
    assert story.lines == ["a:1 Get routed 0.500", "refresh", "b:1 Get routed 0.500"]


def test_then_every_other_copy_is_asked_once(core, key_of, play, hit):
    story = play(get(core, key_of(1)), [UNREACHABLE] * 3 + [hit(b"v")])
    assert [line for line in story.lines if line != "refresh"] == [
        "a:1 Get routed 0.500",
        "b:1 Get routed 0.500",
        "c:1 Get routed 0.500",
        "sleep 0.020",
        "b:1 Get routed 0.490",
    ]


def test_copies_answer_while_there_is_no_primary(core, key_of, play, hit):
    core.learn(
        topology_pb2.Topology(
            revision=12,
            partitions=[topology_pb2.Partition(id=1, epoch=1, primary="", in_sync=["b", "c"])],
            removed_nodes=["b"],
        )
    )
    assert play(get(core, key_of(1)), [hit(b"v")]).lines == ["c:1 Get routed 0.500"]


def test_what_is_wrong_is_not_asked_of_another_copy(core, key_of, play):
    wrong = Failure(Code.INVALID_ARGUMENT, "KEY_TOO_LONG", Outcome.NOT_APPLIED, "too long")
    story = play(get(core, key_of(1)), [wrong])
    assert type(story.error) is shoal.InvalidRequest


def test_at_least_lets_any_copy_answer_that_is_new_enough(core, key_of, play, hit):
    story = play(get(core, key_of(1), read=None, at_least=Version(2, 9)), [hit(b"v")])
    assert story.lines == ["a:1 Get routed 0.500"]
    (request,) = story.requests
    assert (request.read, request.at_least.epoch, request.at_least.seq) == (
        cache_pb2.READ_MODE_ANY,
        2,
        9,
    )


@pytest.mark.parametrize("options", [{"read": "near"}, {"at_least": 7}, {"at_least": (1, 2)}])
def test_what_cannot_be_meant_is_refused(core, key_of, play, options):
    story = play(get(core, key_of(1), **options), [])
    assert type(story.error) is shoal.InvalidRequest


def test_many_keys_of_one_set_of_copies_go_to_one_of_them(core, key_of, play):
    keys = [key_of(1), key_of(1, 1), key_of(2)]
    operation = operations.get_many(
        core, keys, read=None, at_least={keys[1]: Version(1, 5)}, timeout=None
    )
    two = cache_pb2.MGetResponse(entries=[MISS, MISS])
    one = cache_pb2.MGetResponse(entries=[MISS])
    story = play(operation, [two, one])
    assert story.lines == ["a:1 MGet routed 0.500 | c:1 MGet routed 0.500"]
    assert [(v.epoch, v.seq) for v in story.requests[0].at_least] == [(0, 0), (1, 5)]


def test_many_keys_of_a_copy_that_is_gone_go_to_the_primary_at_once(core, key_of, play):
    keys = [key_of(1), key_of(2)]
    operation = operations.get_many(core, keys, read="any", at_least=None, timeout=None)
    one = cache_pb2.MGetResponse(entries=[MISS])
    story = play(operation, [UNREACHABLE, one, one])
    assert story.lines == [
        "a:1 MGet routed 0.500 | c:1 MGet routed 0.500",
        "refresh",
        "b:1 MGet routed 0.500",
    ]


def test_many_keys_at_least_needs_a_mapping(core, key_of, play):
    operation = operations.get_many(
        core, [key_of(1)], read=None, at_least=Version(1, 1), timeout=None
    )
    assert type(play(operation, []).error) is shoal.InvalidRequest


def test_a_session_asks_for_what_it_wrote(core, key_of, play):
    session = Remembered()
    answer = cache_pb2.SetResponse(applied=True, version=cache_pb2.Version(epoch=1, seq=7))
    play(
        operations.set_(
            core,
            key_of(1),
            b"v",
            ttl=None,
            if_absent=False,
            if_present=False,
            if_version=None,
            ack=None,
            timeout=None,
            session=session,
        ),
        [answer],
    )
    story = play(get(core, key_of(1, 1), read=None, session=session), [MISS])
    assert story.requests[0].at_least == cache_pb2.Version(epoch=1, seq=7)
    story = play(get(core, key_of(2), read=None, session=session), [MISS])
    assert not story.requests[0].HasField("at_least")


def test_a_session_asks_for_what_it_read_and_never_for_less(core, key_of, play):
    session = Remembered()
    for seq in (9, 4):
        play(get(core, key_of(1), session=session), [hit_at(b"v", 1, seq)])
    story = play(get(core, key_of(1), session=session), [hit_at(b"v", 2, 1)])
    assert story.requests[0].at_least == cache_pb2.Version(epoch=1, seq=9)
    assert session.at_least(1) == Version(2, 1)


def test_a_miss_tells_a_session_how_far_the_copy_had_come(core, key_of, play):
    """Else a delete that one copy has applied would be undone by the answer of another."""
    session = Remembered()
    miss = cache_pb2.GetResponse(status=cache_pb2.MISS, version=cache_pb2.Version(epoch=1, seq=12))
    play(get(core, key_of(1), session=session), [miss])
    assert session.at_least(1) == Version(1, 12)


def test_a_session_remembers_deletes_and_many(core, key_of, play):
    session = Remembered()
    keys = [key_of(1), key_of(2)]
    versions = [cache_pb2.Version(epoch=1, seq=5)]
    answers = [cache_pb2.DelResponse(deleted=1, versions=versions)] * 2
    operation = operations.delete(core, keys, ack=None, timeout=None, session=session)
    assert play(operation, answers).result == 2
    assert session.at_least(1) == session.at_least(2) == Version(1, 5)
    operation = operations.get_many(
        core, keys, read=None, at_least=None, timeout=None, session=session
    )
    read = [cache_pb2.MGetResponse(entries=[hit_at(b"v", 1, seq)]) for seq in (6, 7)]
    story = play(operation, read)
    assert story.result == {keys[0]: b"v", keys[1]: b"v"}
    assert session.at_least(1) == Version(1, 6)
    assert [list(request.at_least) for request in story.requests] == [versions, versions]


def test_a_release_that_tells_no_versions_of_deletes_is_not_believed_to(core, key_of, play):
    session = Remembered()
    operation = operations.delete(core, [key_of(1)], ack=None, timeout=None, session=session)
    assert play(operation, [cache_pb2.DelResponse(deleted=1)]).result == 1
    assert session.at_least(1) is None
