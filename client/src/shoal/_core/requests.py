"""From what callers pass to what travels: keys, values, conditions, requests.

Everything that can be known to be wrong without asking a node is refused here, with the
reason that a node would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shoal._core.durations import Duration, duration_ms
from shoal._errors import InvalidRequest
from shoal._values import Ack, Key, ReadMode, Value, Version
from shoal.v1 import cache_pb2

LONGEST_KEY_BYTES: Final = 1024
LONGEST_TAG_BYTES: Final = 128
MOST_TAGS: Final = 16
_LEAST_INT64 = -(2**63)
_LARGEST_INT64 = 2**63 - 1

_ACKS: dict[Ack, cache_pb2.Ack.ValueType] = {
    Ack.PRIMARY: cache_pb2.ACK_PRIMARY,
    Ack.IN_SYNC: cache_pb2.ACK_IN_SYNC,
}

_READ_MODES: dict[ReadMode, cache_pb2.ReadMode.ValueType] = {
    ReadMode.PRIMARY: cache_pb2.READ_MODE_PRIMARY,
    ReadMode.ANY: cache_pb2.READ_MODE_ANY,
    # Which copy is near is the client's to know; the copy only has to be let answer.
    ReadMode.NEAREST: cache_pb2.READ_MODE_ANY,
}


def wire_key(key: Key) -> bytes:
    """Return a key's bytes. Raises InvalidRequest (KEY_EMPTY, KEY_TOO_LONG)."""
    # A part of every near hit: the usual case comes first, and calls nothing else.
    if type(key) is str:
        try:
            encoded = key.encode()
        except UnicodeEncodeError:
            encoded = _utf8(key, "key")
    elif isinstance(key, bytes):
        encoded = key
    elif isinstance(key, str):
        encoded = _utf8(key, "key")
    else:
        raise InvalidRequest(f"a key must be str or bytes, not {type(key).__name__}")
    if 0 < len(encoded) <= LONGEST_KEY_BYTES:
        return encoded
    if not encoded:
        raise InvalidRequest("a key must hold at least one byte", reason="KEY_EMPTY")
    raise InvalidRequest(
        f"a key may hold {LONGEST_KEY_BYTES} bytes, this one holds {len(encoded)}: "
        "store a hash of it instead",
        reason="KEY_TOO_LONG",
    )


def wire_value(value: Value) -> bytes:
    """Return a value's bytes. Raises InvalidRequest for what is no bytes and no text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return _utf8(value, "value")
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise InvalidRequest(
        f"a value must be bytes or str, not {type(value).__name__}: encode it first, "
        "for instance with json.dumps"
    )


def wire_ttl(ttl: Duration | None) -> int:
    """Return milliseconds; 0 for none. Raises InvalidRequest."""
    return 0 if ttl is None else duration_ms(ttl)


def wire_fresh(fresh: Duration | None, ttl: Duration | None) -> int:
    """Return milliseconds; 0 for none. Raises InvalidRequest (BAD_CONDITION above the ttl)."""
    fresh_ms, ttl_ms = wire_ttl(fresh), wire_ttl(ttl)
    if ttl_ms and fresh_ms > ttl_ms:
        raise InvalidRequest(
            f"fresh ({fresh!r}) must not be longer than ttl ({ttl!r}): past ttl nothing is served",
            reason="BAD_CONDITION",
        )
    return fresh_ms


def wire_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags of an entry, each once. Raises InvalidRequest (BAD_TAG)."""
    if isinstance(tags, str):
        raise InvalidRequest(f"tags must be several, in a list for instance, not one {tags!r}")
    named = list(dict.fromkeys(tags))
    if len(named) > MOST_TAGS:
        raise InvalidRequest(
            f"a value may have {MOST_TAGS} tags, not {len(named)}: leave out those that are "
            "never invalidated alone",
            reason="BAD_TAG",
        )
    return [wire_tag(tag) for tag in named]


def wire_tag(tag: str) -> str:
    """Return a tag. Raises InvalidRequest (BAD_TAG)."""
    if not isinstance(tag, str):
        raise InvalidRequest(f"a tag must be str, not {type(tag).__name__}")
    size_bytes = len(_utf8(tag, "tag"))
    if not 1 <= size_bytes <= LONGEST_TAG_BYTES:
        raise InvalidRequest(
            f"a tag holds 1 to {LONGEST_TAG_BYTES} bytes, not {size_bytes}", reason="BAD_TAG"
        )
    return tag


def wire_ack(ack: Ack | str | None) -> cache_pb2.Ack.ValueType:
    """Return the ack level; None leaves it to the operation's default."""
    if ack is None:
        return cache_pb2.ACK_UNSPECIFIED
    try:
        return _ACKS[Ack(ack)]
    except ValueError as error:
        raise InvalidRequest(f"ack must be 'primary' or 'in_sync', not {ack!r}") from error


def wire_read(read: ReadMode | str | None) -> cache_pb2.ReadMode.ValueType:
    """Return which copy may answer; None is the primary."""
    if read is None:
        return cache_pb2.READ_MODE_UNSPECIFIED
    try:
        return _READ_MODES[ReadMode(read)]
    except ValueError as error:
        raise InvalidRequest(f"read must be 'primary', 'any' or 'nearest', not {read!r}") from error


def wire_condition(
    *, if_absent: bool, if_present: bool, if_version: Version | None
) -> cache_pb2.Condition | None:
    """Return the condition of a set, if there is one. Raises InvalidRequest for several."""
    if not (if_absent or if_present or if_version is not None):
        return None
    if if_absent + if_present + (if_version is not None) > 1:
        raise InvalidRequest(
            "take one of if_absent, if_present and if_version", reason="BAD_CONDITION"
        )
    if if_version is not None:
        return cache_pb2.Condition(
            if_version=wire_version(if_version, "if_version", reason="BAD_CONDITION")
        )
    return (
        cache_pb2.Condition(if_absent=True) if if_absent else cache_pb2.Condition(if_present=True)
    )


def wire_version(version: Version, what: str, *, reason: str | None = None) -> cache_pb2.Version:
    """Return a version as a message."""
    if not isinstance(version, Version):
        raise InvalidRequest(
            f"{what} must be a shoal.Version, not {type(version).__name__}", reason=reason
        )
    return cache_pb2.Version(epoch=version.epoch, seq=version.seq)


def wire_int64(number: int, what: str) -> int:
    """Return a whole number that fits 64 bits. Raises InvalidRequest."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidRequest(f"{what} must be a whole number, not {number!r}")
    if not _LEAST_INT64 <= number <= _LARGEST_INT64:
        raise InvalidRequest(f"{what} {number} does not fit 64 bits", reason="OVERFLOW")
    return number


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the {what} is no valid text: {error.reason}") from error
