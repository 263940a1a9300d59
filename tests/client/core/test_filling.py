"""The toolkit's look and store, played by hand."""

from __future__ import annotations

from shoal._core.failures import FILL_TOKEN_VOID, Code, Failure
from shoal._core.filling import LONGEST_WAIT_MS, Content, Fence, Lease, look, store
from shoal._core.retry import Repeat
from shoal._core.routing import attempt_seconds
from shoal._errors import Outcome
from shoal._values import ABSENT, MISSING, Version
from shoal.v1 import cache_pb2


def ended(operation, answer):
    try:
        operation.send(answer)
    except StopIteration as done:
        return done.value
    raise AssertionError("the operation goes on")


def test_a_look_with_a_lease_outlives_the_wait(core):
    operation = look(core, b"k", Lease(10_000, LONGEST_WAIT_MS))
    call = next(operation)
    assert (call.request.fill.lease_ms, call.request.fill.wait_ms) == (10_000, LONGEST_WAIT_MS)
    assert call.timeout_seconds * 1000 > LONGEST_WAIT_MS
    looked = ended(operation, cache_pb2.GetResponse(status=cache_pb2.MISS, fill_token=b"t"))
    assert (looked.found, looked.fill_token) == (MISSING, b"t")


def test_a_look_without_one_asks_for_none(core):
    operation = look(core, b"k", None)
    call = next(operation)
    assert not call.request.HasField("fill")
    assert call.timeout_seconds == attempt_seconds(core.timeout_seconds, Repeat.ALWAYS)
    version = cache_pb2.Version(epoch=3, seq=4)
    looked = ended(operation, cache_pb2.GetResponse(status=cache_pb2.ABSENT, version=version))
    assert (looked.found, looked.version) == (ABSENT, Version(3, 4))


def test_what_is_stored_is_fenced(core):
    content = Content(b"v", ttl_ms=5, tags=("t",))
    with_token = next(store(core, b"k", content, Fence(fill_token=b"token"))).request
    assert with_token.fill_token == b"token"
    assert not with_token.HasField("condition")
    over_nothing = next(store(core, b"k", content, Fence())).request
    assert over_nothing.condition.if_absent
    over_that = next(store(core, b"k", content, Fence(if_version=Version(2, 7)))).request
    assert (over_that.condition.if_version.epoch, over_that.condition.if_version.seq) == (2, 7)
    for request in (with_token, over_nothing, over_that):
        assert (request.value, request.ttl_ms, list(request.tags)) == (b"v", 5, ["t"])
        assert request.ack == cache_pb2.ACK_PRIMARY


def test_a_void_token_is_no_error_and_is_not_tried_again(core):
    operation = store(core, b"k", Content(b"", ttl_ms=5, is_absent=True), Fence(fill_token=b"t"))
    call = next(operation)
    assert call.request.absent
    answer = Failure(Code.FAILED_PRECONDITION, FILL_TOKEN_VOID, Outcome.NOT_APPLIED, "void")
    operation.send(answer)  # the topology is refreshed after any failure
    assert not ended(operation, None).applied
