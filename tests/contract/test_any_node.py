"""A stub pointed at any node works, whoever owns the key (promise 5)."""

from __future__ import annotations

import secrets
import uuid

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from shoal.v1 import cache_pb2 as pb
from shoal.v1.cache_pb2_grpc import CacheStub

pytestmark = pytest.mark.cluster
DEADLINE_SECONDS = 10


def fresh_key() -> bytes:
    return f"contract:{uuid.uuid4()}".encode()


def reason_of(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    status = rpc_status.from_call(error)
    assert status is not None, error
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            assert info.domain == "shoal"
            return error.code(), info.reason, dict(info.metadata)
    raise AssertionError(f"no ErrorInfo in {error}")


@pytest.fixture
def stub(channel: grpc.Channel) -> CacheStub:
    return CacheStub(channel)


def test_what_one_node_was_told_every_node_answers(
    stub: CacheStub, channels: list[grpc.Channel]
) -> None:
    keys = [fresh_key() for _ in range(20)]
    for key in keys:
        assert stub.Set(pb.SetRequest(key=key, value=key[::-1]), timeout=DEADLINE_SECONDS).applied
    for other in map(CacheStub, channels):
        for key in keys:
            answer = other.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS)
            assert (answer.status, answer.value) == (pb.HIT, key[::-1])
            assert answer.version.epoch >= 1
            assert answer.version.seq >= 1


def test_a_miss_is_a_status(stub: CacheStub) -> None:
    answer = stub.Get(pb.GetRequest(key=fresh_key()), timeout=DEADLINE_SECONDS)
    assert answer.status == pb.MISS
    assert answer.value == b""


def test_a_ttl_runs_out(stub: CacheStub, eventually) -> None:
    key = fresh_key()
    stub.Set(pb.SetRequest(key=key, value=b"v", ttl_ms=400), timeout=DEADLINE_SECONDS)
    answer = stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS)
    assert answer.status == pb.HIT
    assert 0 < answer.ttl_ms <= 400
    eventually(
        lambda: stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).status == pb.MISS,
        what="the key to expire",
        within_seconds=5,
    )


def test_a_mixed_mget_answers_each_key_in_the_order_asked(stub: CacheStub) -> None:
    keys = [fresh_key() for _ in range(60)]
    stored = stub.MSet(
        pb.MSetRequest(entries=[pb.SetRequest(key=key, value=key) for key in keys[::2]]),
        timeout=DEADLINE_SECONDS,
    )
    assert all(result.applied for result in stored.results)
    answer = stub.MGet(pb.MGetRequest(keys=keys), timeout=DEADLINE_SECONDS)
    assert [(entry.status, entry.value) for entry in answer.entries] == [
        (pb.HIT, key) if index % 2 == 0 else (pb.MISS, b"") for index, key in enumerate(keys)
    ]


def test_del_counts_what_was_there(stub: CacheStub) -> None:
    keys = [fresh_key() for _ in range(10)]
    for key in keys[:7]:
        stub.Set(pb.SetRequest(key=key, value=b"v"), timeout=DEADLINE_SECONDS)
    answer = stub.Del(pb.DelRequest(keys=keys), timeout=DEADLINE_SECONDS)
    assert answer.deleted == 7
    assert len(answer.versions) == 10


def test_incr_counts_from_its_initial_value(stub: CacheStub) -> None:
    key = fresh_key()
    assert stub.Incr(pb.IncrRequest(key=key), timeout=DEADLINE_SECONDS).value == 1
    assert stub.Incr(pb.IncrRequest(key=key, delta=41), timeout=DEADLINE_SECONDS).value == 42
    assert stub.Incr(pb.IncrRequest(key=key, delta=-50), timeout=DEADLINE_SECONDS).value == -8
    other = fresh_key()
    started = stub.Incr(
        pb.IncrRequest(key=other, delta=5, initial=100, ttl_ms=60_000), timeout=DEADLINE_SECONDS
    )
    assert started.value == 105
    assert 0 < stub.Get(pb.GetRequest(key=other), timeout=DEADLINE_SECONDS).ttl_ms <= 60_000


def test_compare_and_set_compares_the_version(stub: CacheStub) -> None:
    key = fresh_key()
    first = stub.Set(
        pb.SetRequest(key=key, value=b"1", condition=pb.Condition(if_absent=True)),
        timeout=DEADLINE_SECONDS,
    )
    assert first.applied
    again = stub.Set(
        pb.SetRequest(key=key, value=b"2", condition=pb.Condition(if_absent=True)),
        timeout=DEADLINE_SECONDS,
    )
    assert not again.applied
    assert again.version == first.version
    second = stub.Set(
        pb.SetRequest(key=key, value=b"3", condition=pb.Condition(if_version=first.version)),
        timeout=DEADLINE_SECONDS,
    )
    assert second.applied
    assert second.version.seq > first.version.seq
    late = stub.Set(
        pb.SetRequest(key=key, value=b"4", condition=pb.Condition(if_version=first.version)),
        timeout=DEADLINE_SECONDS,
    )
    assert not late.applied
    assert stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).value == b"3"


def test_touch_gives_a_new_time_to_live(stub: CacheStub) -> None:
    key = fresh_key()
    assert not stub.Touch(pb.TouchRequest(key=key, ttl_ms=1), timeout=DEADLINE_SECONDS).applied
    stub.Set(pb.SetRequest(key=key, value=b"v", ttl_ms=1_000), timeout=DEADLINE_SECONDS)
    assert stub.Touch(pb.TouchRequest(key=key, ttl_ms=90_000), timeout=DEADLINE_SECONDS).applied
    assert stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).ttl_ms > 60_000
    assert stub.Touch(pb.TouchRequest(key=key), timeout=DEADLINE_SECONDS).applied
    assert stub.Get(pb.GetRequest(key=key), timeout=DEADLINE_SECONDS).ttl_ms == 0


def test_a_caller_that_routes_for_itself_is_told_who_owns_the_key(
    channels: list[grpc.Channel], cluster
) -> None:
    key = fresh_key()
    owners, moved = [], []
    for channel, address in zip(channels, cluster.addresses, strict=True):
        try:
            CacheStub(channel).Get(pb.GetRequest(key=key, routed=True), timeout=DEADLINE_SECONDS)
            owners.append(address)
        except grpc.RpcError as error:
            moved.append(reason_of(error))
    assert len(owners) == 1
    assert len(moved) == 2
    for code, reason, metadata in moved:
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MOVED")
        assert metadata["address"] == owners[0]
        assert int(metadata["epoch"]) >= 1
        assert metadata["outcome"] == "NOT_APPLIED"


@pytest.mark.parametrize(
    ("method", "request_message", "reason"),
    [
        ("Get", pb.GetRequest(), "KEY_EMPTY"),
        ("Get", pb.GetRequest(key=b"k" * 1025), "KEY_TOO_LONG"),
        ("Set", pb.SetRequest(key=b"k", value=b"v" * (1024 * 1024 + 1)), "VALUE_TOO_LARGE"),
        ("Set", pb.SetRequest(key=b"k", value=b"v", ttl_ms=-1), "TTL_NEGATIVE"),
        ("Touch", pb.TouchRequest(key=b"k", ttl_ms=-1), "TTL_NEGATIVE"),
        ("Incr", pb.IncrRequest(key=b"k", ttl_ms=-1), "TTL_NEGATIVE"),
        ("Del", pb.DelRequest(keys=[b""]), "KEY_EMPTY"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(
    stub: CacheStub, method: str, request_message: object, reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, method)(request_message, timeout=DEADLINE_SECONDS)
    code, told, metadata = reason_of(caught.value)
    assert (code, told) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert metadata["outcome"] == "NOT_APPLIED"
    assert len(caught.value.details().split()) >= 4


def test_incr_refuses_what_is_no_integer_and_what_overflows(stub: CacheStub) -> None:
    text, large = fresh_key(), fresh_key()
    stub.Set(pb.SetRequest(key=text, value=b"twelve"), timeout=DEADLINE_SECONDS)
    stub.Set(pb.SetRequest(key=large, value=str(2**63 - 1).encode()), timeout=DEADLINE_SECONDS)
    for key, reason in ((text, "NOT_AN_INTEGER"), (large, "OVERFLOW")):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Incr(pb.IncrRequest(key=key), timeout=DEADLINE_SECONDS)
        assert reason_of(caught.value)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert stub.Get(pb.GetRequest(key=text), timeout=DEADLINE_SECONDS).value == b"twelve"


def test_a_stale_value_is_answered_at_once_and_refreshed_by_one(
    channels: list[grpc.Channel],
) -> None:
    stubs = [CacheStub(channel) for channel in channels]
    key = fresh_key()
    stored = pb.SetRequest(key=key, value=b"v", ttl_ms=600_000, fresh_ms=1)
    stubs[0].Set(stored, timeout=DEADLINE_SECONDS)
    asked = pb.GetRequest(key=key, fill=pb.Fill(lease_ms=60_000, wait_ms=60_000))
    while (first := stubs[0].Get(asked, timeout=DEADLINE_SECONDS)).status == pb.HIT:
        assert first.fresh_ms == 1
    assert (first.status, first.value) == (pb.STALE, b"v")
    assert first.fill_token
    for stub in stubs:
        other = stub.Get(asked, timeout=DEADLINE_SECONDS)
        assert (other.status, other.value, other.fill_token) == (pb.STALE, b"v", b"")
    failed = pb.ReleaseFillRequest(key=key, fill_token=first.fill_token, failed=True)
    assert stubs[1].ReleaseFill(failed, timeout=DEADLINE_SECONDS).released


def test_any_node_invalidates_a_tag_everywhere(channels: list[grpc.Channel]) -> None:
    stubs = [CacheStub(channel) for channel in channels]
    tag = fresh_key().decode()
    keys = [fresh_key() for _ in range(30)]
    for number, stub in enumerate(stubs):
        for key in keys:
            stub.Set(pb.SetRequest(key=key, value=b"v", tags=[tag, "t"]), timeout=DEADLINE_SECONDS)
        invalidated = stub.InvalidateTag(pb.InvalidateTagRequest(tag=tag), timeout=DEADLINE_SECONDS)
        partitions = [told.partition for told in invalidated.versions]
        assert partitions == list(range(len(partitions)))
        assert all(told.version.epoch for told in invalidated.versions)
        other = stubs[(number + 1) % len(stubs)]
        found = other.MGet(pb.MGetRequest(keys=keys), timeout=DEADLINE_SECONDS)
        assert {entry.status for entry in found.entries} == {pb.MISS}
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].InvalidateTag(pb.InvalidateTagRequest(), timeout=DEADLINE_SECONDS)
    assert reason_of(caught.value)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_TAG")


def test_of_two_who_miss_at_once_one_loads_and_the_other_waits(
    stub: CacheStub, channels: list[grpc.Channel]
) -> None:
    key = fresh_key()
    asked = pb.GetRequest(key=key, fill=pb.Fill(lease_ms=60_000, wait_ms=60_000))
    first = stub.Get(asked, timeout=DEADLINE_SECONDS)
    assert first.status == pb.MISS
    assert first.fill_token
    others = [CacheStub(channel).Get.future(asked, timeout=60) for channel in channels]
    at_once = pb.GetRequest(key=key, fill=pb.Fill())
    assert not stub.Get(at_once, timeout=DEADLINE_SECONDS).fill_token
    fill = pb.SetRequest(key=key, value=b"v", fill_token=first.fill_token)
    assert stub.Set(fill, timeout=DEADLINE_SECONDS).applied
    assert [other.result().value for other in others] == [b"v"] * 3
    with pytest.raises(grpc.RpcError) as caught:
        stub.Set(fill, timeout=DEADLINE_SECONDS)
    assert reason_of(caught.value)[:2] == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "FILL_TOKEN_VOID",
    )


def test_a_fill_token_is_given_back(stub: CacheStub) -> None:
    key = fresh_key()
    asked = pb.GetRequest(key=key, fill=pb.Fill(lease_ms=60_000))
    token = stub.Get(asked, timeout=DEADLINE_SECONDS).fill_token
    release = pb.ReleaseFillRequest(key=key, fill_token=token)
    assert stub.ReleaseFill(release, timeout=DEADLINE_SECONDS).released
    assert not stub.ReleaseFill(release, timeout=DEADLINE_SECONDS).released
    assert stub.Get(asked, timeout=DEADLINE_SECONDS).fill_token not in (b"", token)


def test_a_request_with_an_id_counts_once_whichever_node_is_asked(stub: CacheStub) -> None:
    incr = pb.IncrRequest(key=fresh_key(), delta=5, request_id=secrets.token_bytes(16))
    answers = [stub.Incr(incr, timeout=DEADLINE_SECONDS) for _ in range(3)]
    assert [answer.value for answer in answers] == [5, 5, 5]
    assert answers[0].version == answers[2].version


def test_a_malformed_request_harms_nothing_beside_it(channel: grpc.Channel) -> None:
    raw = channel.unary_unary("/shoal.v1.Cache/Get")
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"\xff\xff\xff", timeout=DEADLINE_SECONDS)
    assert reason_of(caught.value)[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "MALFORMED_REQUEST",
    )
    stream = channel.stream_stream("/shoal.v1.Cache/Execute")
    key = fresh_key()
    batches = [
        pb.ExecuteRequest(
            id=1, operations=[pb.Operation(set=pb.SetRequest(key=key, value=b"v"))]
        ).SerializeToString(),
        b"\xff\xff\xff",
        pb.ExecuteRequest(
            id=3, operations=[pb.Operation(get=pb.GetRequest(key=key))]
        ).SerializeToString(),
    ]
    answers = [
        pb.ExecuteResponse.FromString(answer)
        for answer in stream(iter(batches), timeout=DEADLINE_SECONDS)
    ]
    assert [answer.id for answer in answers] == [1, 0, 3]
    assert answers[0].results[0].set.applied
    assert answers[1].error.reason == "MALFORMED_REQUEST"
    assert answers[2].results[0].get.value == b"v"
