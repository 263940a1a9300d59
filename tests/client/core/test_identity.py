from __future__ import annotations

from itertools import count

from shoal import Outcome
from shoal._core.failures import Code, Failure
from shoal._core.identity import (
    REQUEST_ID_BYTES,
    WITHOUT_SECONDS,
    RequestIds,
    draw_request_id,
    is_id_refused,
)
from shoal._core.retry import Repeat
from shoal.v1 import cache_pb2


def test_ids_are_random_and_long_enough():
    drawn = {draw_request_id() for _ in range(1000)}
    assert len(drawn) == 1000
    assert {len(one) for one in drawn} == {REQUEST_ID_BYTES}


def test_each_request_has_its_own_until_a_server_refuses_them():
    numbers = count(1)
    ids = RequestIds(lambda: b"%d" % next(numbers))
    first, second, third, fourth = (cache_pb2.IncrRequest() for _ in range(4))
    assert ids.identify(first, 0.0) is Repeat.ALWAYS
    assert ids.identify(second, 0.0) is Repeat.ALWAYS
    assert (first.request_id, second.request_id) == (b"1", b"2")
    ids.refused(10.0)
    assert ids.identify(third, 10.0 + WITHOUT_SECONDS - 0.1) is Repeat.NEVER
    assert third.request_id == b""
    assert ids.identify(fourth, 10.0 + WITHOUT_SECONDS) is Repeat.ALWAYS


def test_only_the_field_itself_is_taken_for_a_refusal():
    def failure(reason, **metadata):
        return Failure(Code.UNIMPLEMENTED, reason, Outcome.NOT_APPLIED, "m", metadata)

    assert is_id_refused(failure("NOT_SERVED", field="request_id"))
    assert not is_id_refused(failure("NOT_SERVED", field="tags"))
    assert not is_id_refused(failure("NOT_SERVED"))
    assert not is_id_refused(failure("MALFORMED_REQUEST", field="request_id"))
