"""Two readers of one record: the quick one says what protobuf's says, or nothing."""

from __future__ import annotations

import json
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.registry import codec
from shoal_coordinator.registry.codec import RecordCorrupt, decode_partition, encode_partition
from shoal_coordinator.registry.record_json import is_plain, taken_record
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    PartitionId,
    PartitionRecord,
)

KEY = "/shoal/c/partitions/00007"
A, B = Copy(NodeId("a"), CopyId("a1-0")), Copy(NodeId("b"), CopyId("b1-0"))
RECORD = PartitionRecord(
    PartitionId(7),
    Epoch(3),
    A,
    Incarnation("a-1"),
    (NodeId("b"),),
    (A, B),
    (NodeId("a"), NodeId("b"), NodeId("c")),
    NodeId("b"),
)
FIELDS = json.loads(encode_partition(RECORD))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 1 << 66)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["0", "03", "1e2", "-1", "18446744073709551616", "a"])
    | st.sampled_from([FIELDS["primary"], FIELDS["in_sync"]]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["node", "copy_id", "copyId", "more"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def told(value: bytes, *, quickly: bool) -> PartitionRecord | str:
    try:
        if quickly:
            return decode_partition(KEY, value)
        with patch.object(codec, "is_plain", return_value=False):
            return decode_partition(KEY, value)
    except RecordCorrupt as error:
        return error.why


def test_what_is_written_here_is_read_quickly() -> None:
    value = encode_partition(RECORD)
    assert is_plain(value)
    assert taken_record(json.loads(value)) == RECORD


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "handoffTo", "inSync", "more"]), ANYTHING, min_size=1, max_size=3
    ),
    st.sets(st.sampled_from(sorted(FIELDS)), max_size=2),
)
def test_both_readers_say_the_same(instead: dict[str, object], without: set[str]) -> None:
    fields = {key: it for key, it in (FIELDS | instead).items() if key not in without}
    value = json.dumps(fields, ensure_ascii=False).encode(errors="surrogatepass")
    assert told(value, quickly=True) == told(value, quickly=False)


def test_what_has_escapes_is_left_to_protobuf() -> None:
    value = encode_partition(RECORD).replace(b'"handoff_to":"b"', b'"handoff_to":"\\ud800"')
    assert not is_plain(value)
    assert told(value, quickly=True) == told(value, quickly=False)
