"""Stories of one request: what is asked of whom, and what comes of it."""

from __future__ import annotations

import pytest

import shoal
from shoal import Outcome
from shoal._core import operations
from shoal._core.failures import Code, Failure
from shoal._core.routing import MOST_HOPS
from shoal.v1 import cache_pb2, topology_pb2

UNREACHABLE = Failure(Code.UNAVAILABLE, "UNREACHABLE", Outcome.NOT_APPLIED, "failed to connect")
LOST = Failure(Code.UNAVAILABLE, "CONNECTION_LOST", Outcome.MAYBE_APPLIED, "Socket closed")
DEADLINE = Failure(
    Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", Outcome.MAYBE_APPLIED, "Deadline Exceeded"
)
SET = cache_pb2.SetResponse(applied=True, version=cache_pb2.Version(epoch=1, seq=7))
ONE = cache_pb2.IncrResponse(value=1)


def moved(address, *, epoch, partition=1):
    return Failure(
        Code.FAILED_PRECONDITION,
        "MOVED",
        Outcome.NOT_APPLIED,
        "moved",
        {
            "owner": address.split(":")[0],
            "address": address,
            "epoch": str(epoch),
            "partition": str(partition),
        },
    )


def told(reason, outcome=Outcome.NOT_APPLIED, after=0.0, code=Code.UNAVAILABLE):
    return Failure(code, reason, outcome, "a sentence", {}, after)


def set_(core, key, **options):
    named = {
        "ttl": None,
        "if_absent": False,
        "if_present": False,
        "if_version": None,
        "ack": None,
        "timeout": None,
        **options,
    }
    return operations.set_(core, key, b"v", **named)


def get(core, key, **options):
    named = {"read": None, "at_least": None, "timeout": None, **options}
    return operations.get(core, key, **named)


def incr(core, key, **options):
    named = {"initial": 0, "ttl": None, "ack": None, "timeout": None, **options}
    return operations.incr(core, key, 1, **named)


def test_the_happy_path_is_one_call(core, key_of, play, hit):
    story = play(get(core, key_of(1)), [hit(b"v")])
    assert story.lines == ["b:1 Get routed 0.500"]
    assert story.result == b"v"


def test_without_a_topology_a_seed_forwards(make_core, key_of, play, hit):
    core = make_core(known=False)
    story = play(get(core, key_of(1)), [hit(b"v")])
    assert story.lines == ["seed:1 Get unrouted 0.500"]


def test_a_partition_that_nobody_serves_is_asked_of_any_node(core, key_of, play, hit):
    core.learn(
        topology_pb2.Topology(
            revision=11, partitions=[topology_pb2.Partition(id=1, epoch=2, primary="")]
        )
    )
    story = play(get(core, key_of(1)), [hit(b"v")])
    assert story.lines == ["a:1 Get unrouted 0.500"]


def test_moved_is_followed_without_waiting_and_remembered(core, key_of, play, hit):
    story = play(get(core, key_of(1)), [moved("c:1", epoch=2), hit(b"v")])
    assert story.lines == ["b:1 Get routed 0.500", "refresh", "c:1 Get routed 0.500"]
    assert story.result == b"v"
    story = play(get(core, key_of(1)), [hit(b"v")])
    assert story.lines == ["c:1 Get routed 0.500"]


def test_a_node_that_lags_behind_is_not_believed(core, key_of, play):
    """It names an older owner: a little later it will know better; another may already."""
    story = play(incr(core, key_of(1)), [moved("c:1", epoch=1), ONE])
    assert story.lines == [
        "b:1 Incr routed 0.500",
        "refresh",
        "sleep 0.020",
        "a:1 Incr unrouted 0.490",
    ]
    assert core.topology.addresses[1] == "b:1"


def test_hops_are_bounded(core, key_of, play):
    answers = [moved("bc"[hop % 2] + ":1", epoch=hop + 2) for hop in range(1, MOST_HOPS + 2)]
    story = play(incr(core, key_of(1)), [*answers, ONE])
    assert [line for line in story.lines if line.startswith("sleep")] == ["sleep 0.020"]
    assert story.lines[-1] == "c:1 Incr routed 0.490"
    assert len(story.requests) == MOST_HOPS + 2


def test_an_unreachable_owner_is_reached_through_another(core, key_of, play):
    story = play(incr(core, key_of(1)), [UNREACHABLE, ONE])
    assert story.lines == [
        "b:1 Incr routed 0.500",
        "refresh",
        "sleep 0.020",
        "a:1 Incr unrouted 0.490",
    ]
    assert story.result == 1


def test_then_the_owner_is_tried_again(core, key_of, play):
    story = play(incr(core, key_of(1)), [UNREACHABLE, told("FORWARD_FAILED"), ONE])
    assert [line.split()[:3] for line in story.lines if "Incr" in line] == [
        ["b:1", "Incr", "routed"],
        ["a:1", "Incr", "unrouted"],
        ["b:1", "Incr", "routed"],
    ]


def test_waits_grow_and_the_call_ends_at_its_deadline(core, key_of, play):
    story = play(incr(core, key_of(1)), [UNREACHABLE] * 7)
    assert [line for line in story.lines if line.startswith("sleep")] == [
        "sleep 0.020",
        "sleep 0.040",
        "sleep 0.080",
        "sleep 0.160",
        "sleep 0.250",
        "sleep 0.250",
    ]
    assert type(story.error) is shoal.Unavailable
    assert story.error.reason == "UNREACHABLE"
    assert story.error.outcome is Outcome.NOT_APPLIED
    assert "7 attempt(s) in 800 ms" in story.error.__notes__[0]


def test_retry_info_is_honoured(core, key_of, play):
    story = play(incr(core, key_of(1)), [told("NO_OWNER", after=0.3), ONE])
    assert "sleep 0.300" in story.lines


def test_retry_info_past_the_deadline_ends_the_call_at_once(core, key_of, play):
    story = play(incr(core, key_of(1)), [told("NO_OWNER", after=2.0)])
    assert story.lines == ["b:1 Incr routed 0.500", "refresh"]
    assert type(story.error) is shoal.Unavailable
    assert story.error.reason == "NO_OWNER"


def test_attempts_are_bounded(make_core, key_of, play):
    core = make_core(max_attempts=3, timeout=60)
    story = play(incr(core, key_of(1)), [UNREACHABLE] * 3)
    assert type(story.error) is shoal.Unavailable


def test_without_a_budget_the_first_failure_is_the_last(make_core, key_of, play):
    core = make_core(retry_budget=0)
    story = play(incr(core, key_of(1)), [UNREACHABLE])
    assert type(story.error) is shoal.Unavailable


def test_moved_needs_no_budget(make_core, key_of, play):
    core = make_core(retry_budget=0)
    assert play(incr(core, key_of(1)), [moved("c:1", epoch=2), ONE]).result == 1


UNCERTAIN = [
    LOST,
    DEADLINE,
    told("LEASE_EXPIRED", Outcome.MAYBE_APPLIED),
    told("NOT_REPLICATED", Outcome.MAYBE_APPLIED),
    told("FORWARD_FAILED", Outcome.MAYBE_APPLIED),
]


@pytest.mark.parametrize("failure", UNCERTAIN)
def test_an_incr_is_repeated_under_its_id(core, key_of, play, failure):
    story = play(incr(core, key_of(1)), [failure, failure, ONE])
    assert story.result == 1
    assert [request.request_id for request in story.requests] == [b"id-1"] * 3
    story = play(incr(core, key_of(1)), [ONE])
    assert story.requests[0].request_id == b"id-2"


@pytest.mark.parametrize(
    "condition",
    [{"if_absent": True}, {"if_version": shoal.Version(1, 1)}, {"ack": "in_sync"}],
)
@pytest.mark.parametrize("failure", UNCERTAIN)
def test_a_set_that_decides_or_is_in_sync_is_repeated_under_its_id(
    core, key_of, play, failure, condition
):
    story = play(set_(core, key_of(1), **condition), [failure, SET])
    assert story.result.applied
    assert [request.request_id for request in story.requests] == [b"id-1"] * 2


def test_a_plain_set_has_no_id(core, key_of, play):
    for ack in (None, "primary"):
        story = play(set_(core, key_of(1), ack=ack), [SET])
        assert story.requests[0].request_id == b""


def test_a_client_that_writes_in_sync_gives_its_sets_ids(core, key_of, play):
    core.default_ack = cache_pb2.ACK_IN_SYNC
    story = play(set_(core, key_of(1)), [told("LEASE_EXPIRED", Outcome.MAYBE_APPLIED), SET])
    assert [request.request_id for request in story.requests] == [b"id-1"] * 2


REFUSED_SET = cache_pb2.SetResponse(applied=False, version=cache_pb2.Version(epoch=1, seq=3))


@pytest.mark.parametrize("failure", [DEADLINE, told("FORWARD_FAILED", Outcome.MAYBE_APPLIED)])
def test_a_condition_that_fails_while_an_attempt_is_on_its_way_is_not_believed(
    core, key_of, play, failure
):
    """The key may be absent again by the time that the first attempt arrives."""
    story = play(set_(core, key_of(1), if_absent=True), [failure, REFUSED_SET])
    assert type(story.error) is shoal.OutcomeUnknown
    assert "read the key" in str(story.error)


@pytest.mark.parametrize(
    ("failure", "condition"),
    [(DEADLINE, {"if_version": shoal.Version(1, 1)}), (LOST, {"if_absent": True})],
)
def test_a_condition_that_cannot_hold_later_is_believed(core, key_of, play, failure, condition):
    story = play(set_(core, key_of(1), **condition), [failure, REFUSED_SET])
    assert story.result == shoal.SetResult(applied=False, version=shoal.Version(1, 3))


NO_IDS = Failure(
    Code.UNIMPLEMENTED, "NOT_SERVED", Outcome.NOT_APPLIED, "m", {"field": "request_id"}
)


def test_a_server_without_ids_is_asked_without_and_then_never_twice(core, key_of, play, clock):
    story = play(incr(core, key_of(1)), [NO_IDS, LOST])
    assert [request.request_id for request in story.requests] == [b"id-1", b""]
    assert story.lines == ["b:1 Incr routed 0.500", "refresh", "b:1 Incr routed 1.000", "refresh"]
    assert type(story.error) is shoal.OutcomeUnknown
    assert play(incr(core, key_of(1)), [ONE]).requests[0].request_id == b""
    clock.now += 61
    assert play(incr(core, key_of(1)), [ONE]).requests[0].request_id == b"id-2"


def test_an_id_is_not_taken_off_what_may_have_been_applied(core, key_of, play):
    """The first attempt reached a newer server: without its id a second would count twice."""
    story = play(incr(core, key_of(1)), [LOST, NO_IDS])
    assert type(story.error) is shoal.NotServed
    assert story.error.outcome is Outcome.MAYBE_APPLIED
    assert [request.request_id for request in story.requests] == [b"id-1"] * 2


def test_too_few_copies_is_told_as_not_applied(core, key_of, play):
    story = play(set_(core, key_of(1), ack="in_sync"), [told("TOO_FEW_COPIES", after=2.0)])
    assert type(story.error) is shoal.Unavailable
    assert story.error.reason == "TOO_FEW_COPIES"
    assert story.error.outcome is Outcome.NOT_APPLIED


def test_the_ack_of_the_client_holds_where_a_call_names_none(make_core, key_of, play):
    core = make_core(ack="in_sync")
    assert play(set_(core, key_of(1)), [SET]).requests[0].ack == cache_pb2.ACK_IN_SYNC
    story = play(set_(core, key_of(1), ack="primary"), [SET])
    assert story.requests[0].ack == cache_pb2.ACK_PRIMARY


def test_patience_is_short_at_first_and_grows(make_core, key_of, play, took, hit):
    core = make_core(timeout="20s")
    late = [took(seconds, DEADLINE) for seconds in (1, 2, 4)]
    story = play(get(core, key_of(1)), [*late, hit(b"v")])
    calls = [line for line in story.lines if "Get" in line]
    assert [line.rsplit(" ", 1)[1] for line in calls] == ["1.000", "2.000", "4.000", "6.430"]


def test_a_refused_conditional_set_is_repeated(core, key_of, play):
    story = play(set_(core, key_of(1), if_absent=True), [told("PARTITION_MOVING"), SET])
    assert story.result.applied


def test_a_plain_set_is_repeated_when_its_connection_was_lost(core, key_of, play):
    story = play(set_(core, key_of(1)), [LOST, SET])
    assert story.result == shoal.SetResult(applied=True, version=shoal.Version(1, 7))


@pytest.mark.parametrize("failure", [DEADLINE, told("FORWARD_FAILED", Outcome.MAYBE_APPLIED)])
def test_a_plain_set_that_may_still_be_on_its_way_is_not_repeated(
    core, key_of, play, took, failure
):
    story = play(set_(core, key_of(1)), [took(0.1, failure)])
    assert story.error.outcome is Outcome.MAYBE_APPLIED


def test_what_an_earlier_attempt_may_have_done_is_not_forgotten(core, key_of, play):
    """Lost, then certainly refused until the end: the whole call may have been applied."""
    story = play(set_(core, key_of(1)), [LOST, *[UNREACHABLE] * 6])
    assert type(story.error) is shoal.OutcomeUnknown
    assert story.error.outcome is Outcome.MAYBE_APPLIED


def test_a_delete_is_repeated_whatever_became_of_it(core, key_of, play):
    operation = operations.delete(core, [key_of(1)], ack=None, timeout=None)
    answers = [DEADLINE, LOST, cache_pb2.DelResponse(deleted=1)]
    assert play(operation, answers).result == 1


def test_a_read_leaves_time_to_ask_another_node(core, key_of, play, took, hit):
    story = play(get(core, key_of(1)), [took(0.5, DEADLINE), hit(b"v")])
    assert story.lines == [
        "b:1 Get routed 0.500",
        "refresh",
        "sleep 0.020",
        "a:1 Get unrouted 0.240",
    ]


def test_a_read_that_fails_was_never_applied(core, key_of, play, took):
    operation = get(core, key_of(1), timeout="100ms")
    story = play(operation, [took(0.1, DEADLINE)])
    assert story.lines[0] == "b:1 Get routed 0.100"
    assert type(story.error) is shoal.DeadlineExceeded
    assert story.error.outcome is Outcome.NOT_APPLIED


def test_what_is_wrong_is_told_at_once(core, key_of, play):
    answer = told("NOT_AN_INTEGER", code=Code.INVALID_ARGUMENT)
    story = play(incr(core, key_of(1)), [answer])
    assert type(story.error) is shoal.InvalidRequest
    assert isinstance(story.error, ValueError)
    assert str(story.error) == "a sentence"


def test_a_full_memory_is_told_at_once_and_too_many_requests_are_repeated(core, key_of, play):
    full = told("MEMORY_FULL", after=0.01, code=Code.RESOURCE_EXHAUSTED)
    story = play(set_(core, key_of(1)), [full])
    assert type(story.error) is shoal.ResourceExhausted
    busy = told("TOO_MANY_REQUESTS", after=0.01, code=Code.RESOURCE_EXHAUSTED)
    assert play(set_(core, key_of(1)), [busy, SET]).result.applied


def test_an_answer_outside_the_contract_is_reported(core, key_of, play):
    story = play(get(core, key_of(1)), [cache_pb2.GetResponse()])
    assert type(story.error) is shoal.ServerError
    assert story.error.reason == "BAD_ANSWER"


def test_an_old_moved_without_metadata_is_just_a_failure(core, key_of, play):
    broken = told("MOVED", code=Code.FAILED_PRECONDITION)
    assert play(incr(core, key_of(1)), [broken, ONE]).result == 1
