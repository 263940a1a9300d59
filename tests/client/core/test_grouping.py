"""Stories of many keys, and what grouping must keep whatever the cluster does."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

import shoal
from shoal import Outcome
from shoal._core import operations
from shoal._core.batches import MOST_BYTES, MOST_KEYS, GetBatch, SetBatch, chunks
from shoal._core.core import Core
from shoal._core.effects import Call, Parallel, Sleep
from shoal._core.failures import Code, Failure
from shoal._core.settings import checked_settings
from shoal.v1 import cache_pb2, topology_pb2

UNREACHABLE = Failure(Code.UNAVAILABLE, "UNREACHABLE", Outcome.NOT_APPLIED, "failed to connect")
LOST = Failure(Code.UNAVAILABLE, "CONNECTION_LOST", Outcome.MAYBE_APPLIED, "Socket closed")


def entries(*values):
    return cache_pb2.MGetResponse(
        entries=[
            value
            if isinstance(value, cache_pb2.GetResponse)
            else cache_pb2.GetResponse(status=cache_pb2.HIT, value=value)
            for value in values
        ]
    )


def failed(code, reason, **metadata):
    error = cache_pb2.KeyError(
        code=code, reason=reason, message="m", metadata={"outcome": "NOT_APPLIED", **metadata}
    )
    return cache_pb2.GetResponse(status=cache_pb2.FAILED, error=error)


def moved(partition, address, epoch):
    return failed(
        Code.FAILED_PRECONDITION,
        "MOVED",
        owner=address[0],
        address=address,
        epoch=str(epoch),
        partition=str(partition),
    )


def get_many(core, keys):
    return operations.get_many(core, keys, read=None, at_least=None, timeout=None)


def test_one_request_per_node_in_the_order_asked(core, key_of, play):
    keys = [key_of(1), key_of(0), key_of(2), key_of(3)]
    story = play(get_many(core, keys), [entries(b"1"), entries(b"0", b"3"), entries(b"2")])
    assert story.lines == ["b:1 MGet routed 0.500 | a:1 MGet routed 0.500 | c:1 MGet routed 0.500"]
    assert list(story.result.items()) == [
        (keys[0], b"1"),
        (keys[1], b"0"),
        (keys[2], b"2"),
        (keys[3], b"3"),
    ]


def test_only_what_moved_is_asked_again_and_at_once(core, key_of, play):
    keys = [key_of(1), key_of(1, 1), key_of(0)]
    story = play(
        get_many(core, keys),
        [entries(moved(1, "c:1", 2), b"x"), entries(b"0"), entries(b"1")],
    )
    assert story.lines == [
        "b:1 MGet routed 0.500 | a:1 MGet routed 0.500",
        "refresh",
        "c:1 MGet routed 0.500",
    ]
    assert list(story.requests[-1].keys) == [keys[0].encode()]
    assert story.result == {keys[0]: b"1", keys[1]: b"x", keys[2]: b"0"}


def test_the_keys_of_an_unreachable_node_go_to_another(core, key_of, play):
    keys = [key_of(1), key_of(0)]
    story = play(get_many(core, keys), [UNREACHABLE, entries(b"0"), entries(b"1")])
    assert story.lines[1:] == ["refresh", "sleep 0.020", "a:1 MGet unrouted 0.490"]
    assert story.result == {keys[0]: b"1", keys[1]: b"0"}


def test_a_key_that_fails_for_good_fails_the_call(core, key_of, play):
    keys = [key_of(1), key_of(0)]
    bad = failed(Code.INVALID_ARGUMENT, "KEY_TOO_LONG")
    story = play(get_many(core, keys), [entries(bad), UNREACHABLE])
    assert type(story.error) is shoal.InvalidRequest
    assert story.error.outcome is Outcome.NOT_APPLIED


def test_an_answer_of_the_wrong_length_is_not_guessed_at(make_core, key_of, play):
    core = make_core(retry_budget=0)
    story = play(get_many(core, [key_of(1), key_of(1, 1)]), [entries(b"1")])
    assert type(story.error) is shoal.ServerError


def test_a_set_of_many_tells_when_part_of_it_was_applied(core, key_of, play):
    operation = operations.set_many(
        core, {key_of(1): b"1", key_of(0): b"0"}, ttl=None, ack=None, timeout=None
    )
    done = cache_pb2.MSetResponse(results=[cache_pb2.SetResponse(applied=True)])
    story = play(operation, [done, *[UNREACHABLE] * 7])
    assert type(story.error) is shoal.OutcomeUnknown
    assert story.error.outcome is Outcome.MAYBE_APPLIED


def test_a_set_of_many_that_was_refused_whole_is_not_applied(make_core, key_of, play):
    operation = operations.set_many(
        make_core(retry_budget=0), {key_of(1): b"1"}, ttl=None, ack=None, timeout=None
    )
    story = play(operation, [UNREACHABLE])
    assert type(story.error) is shoal.Unavailable
    assert story.error.outcome is Outcome.NOT_APPLIED


def test_a_delete_adds_up_what_the_nodes_count(core, key_of, play):
    keys = [key_of(0), key_of(1), key_of(1, 1), key_of(2)]
    operation = operations.delete(core, keys, ack="primary", timeout=None)
    answers = [cache_pb2.DelResponse(deleted=count) for count in (1, 2, 0)]
    story = play(operation, answers)
    assert story.result == 3
    assert all(request.ack == cache_pb2.ACK_PRIMARY for request in story.requests)


def test_deletes_of_moved_partitions_end_through_any_node(core, key_of, play):
    """A Del fails whole and names one partition; the others of that node go unrouted."""
    keys = [key_of(0), key_of(3)]
    told = Failure(
        Code.FAILED_PRECONDITION,
        "MOVED",
        Outcome.NOT_APPLIED,
        "moved",
        {"owner": "b", "address": "b:1", "epoch": "2", "partition": "0"},
    )
    answers = [told, cache_pb2.DelResponse(deleted=1), cache_pb2.DelResponse(deleted=1)]
    operation = operations.delete(core, keys, ack=None, timeout=None)
    story = play(operation, answers)
    assert story.result == 2
    assert story.lines[-1] == "b:1 Del routed 0.490 | b:1 Del unrouted 0.490"


def test_chunks_stay_within_their_bounds():
    keys = [b"k%d" % number for number in range(2 * MOST_KEYS + 1)]
    assert [len(chunk) for chunk in chunks(GetBatch(keys), range(len(keys)))] == [
        MOST_KEYS,
        MOST_KEYS,
        1,
    ]
    values = [bytes(size) for size in (10, MOST_BYTES, MOST_BYTES // 2, MOST_BYTES // 2 - 10)]
    batch = SetBatch([b"k"] * 4, values, 0, cache_pb2.ACK_UNSPECIFIED)
    assert chunks(batch, range(4)) == [[0], [1], [2, 3]]


class Turmoil:
    """Answers as a cluster does whose owners, answers and connections are as drawn."""

    def __init__(self, random: Random, stored: dict[bytes, bytes]) -> None:
        self.random = random
        self.stored = stored

    def drive(self, operation, now: list[float]):
        answer = None
        while True:
            try:
                effect = operation.send(answer)
            except StopIteration as done:
                return done.value
            answer = None
            if isinstance(effect, Call):
                answer = self.answer(effect)
            elif isinstance(effect, Parallel):
                asked = [key for call in effect.calls for key in call.request.keys]
                assert len(asked) == len(set(asked)), "no key is asked for twice in a round"
                answer = [self.answer(call) for call in effect.calls]
            elif isinstance(effect, Sleep):
                now[0] += effect.seconds

    def answer(self, call: Call):
        drawn = self.random.random()
        if drawn < 0.15:
            return UNREACHABLE
        if drawn < 0.3:
            return LOST
        return cache_pb2.MGetResponse(entries=[self.entry(call, key) for key in call.request.keys])

    def entry(self, call: Call, key: bytes):
        drawn = self.random.random()
        if drawn < 0.15 and call.request.routed:
            node = self.random.choice("abc")
            partition = self.random.randrange(4)
            return moved(partition, f"{node}:1", self.random.randrange(6))
        if drawn < 0.25:
            return failed(Code.UNAVAILABLE, "NO_OWNER")
        value = self.stored.get(key)
        if value is None:
            return cache_pb2.GetResponse(status=cache_pb2.MISS)
        return cache_pb2.GetResponse(status=cache_pb2.HIT, value=value)


@given(
    st.lists(st.binary(min_size=1, max_size=8), max_size=60),
    st.integers(),
    st.sampled_from([None, "any"]),
)
def test_whatever_happens_every_key_has_its_own_value(keys, seed, read):
    random = Random(seed)
    now = [0.0]
    core = Core(
        checked_settings(["seed:1"], timeout="1h", max_attempts=1000),
        clock=lambda: now[0],
        rng=random,
        draw_id=bytes,
    )
    core.learn(
        topology_pb2.Topology(
            cluster="t",
            revision=1,
            complete=True,
            partition_count=4,
            nodes=[topology_pb2.Node(id=node, address=f"{node}:1") for node in "abc"],
            partitions=[
                topology_pb2.Partition(
                    id=number,
                    epoch=1,
                    primary=random.choice("abc"),
                    in_sync=random.sample("abc", 2),
                )
                for number in range(4)
            ],
        )
    )
    stored = {key: b"value of " + key for key in keys if random.random() < 0.7}
    turmoil = Turmoil(random, stored)
    result = turmoil.drive(
        operations.get_many(core, keys, read=read, at_least=None, timeout=None), now
    )
    assert list(result) == list(dict.fromkeys(keys))
    assert result == {key: stored.get(key, shoal.MISSING) for key in keys}


def no_room():
    return failed(Code.INVALID_ARGUMENT, "BATCH_TOO_LARGE")


def test_keys_that_found_no_room_in_an_answer_are_asked_again_at_once(core, key_of, play):
    keys = [key_of(1, n) for n in range(4)]
    story = play(
        get_many(core, keys),
        [entries(b"0", b"1", no_room(), no_room()), entries(b"2", no_room()), entries(b"3")],
    )
    assert story.lines == ["b:1 MGet routed 0.500"] * 3
    assert [len(request.keys) for request in story.requests] == [4, 2, 1]
    assert story.result == dict(zip(keys, [b"0", b"1", b"2", b"3"], strict=True))


def test_a_single_key_that_finds_no_room_fails_the_call(core, key_of, play):
    story = play(get_many(core, [key_of(1)]), [entries(no_room())])
    assert isinstance(story.error, shoal.InvalidRequest)
    assert len(story.requests) == 1


def test_an_answer_too_large_to_be_received_is_asked_for_in_halves(core, key_of, play):
    too_large = Failure(
        Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", Outcome.MAYBE_APPLIED, "larger than max"
    )
    keys = [key_of(1, n) for n in range(4)]
    story = play(get_many(core, keys), [too_large, entries(b"0", b"1"), entries(b"2", b"3")])
    assert [len(request.keys) for request in story.requests] == [4, 2, 2]
    assert story.result == dict(zip(keys, [b"0", b"1", b"2", b"3"], strict=True))


def test_keys_without_room_are_asked_for_until_the_deadline(core, key_of, play, took):
    keys = [key_of(1, n) for n in range(3)]
    answers = [
        took(0.6, entries(b"0", no_room(), no_room())),
        took(0.6, entries(b"1", no_room())),
    ]
    story = play(get_many(core, keys), answers)
    assert isinstance(story.error, shoal.DeadlineExceeded)
    assert "with 1 keys left" in str(story.error)
