"""msgpack, the default: small, quick, and read by every language.

Keeps None, bool, integers of 64 bits, float, str, bytes, list and dict with any of these as
keys; as extensions, whose numbers are ours, also tuple, datetime (with its offset from UTC),
date, time, timedelta, Decimal and UUID. Everything else is refused, subclasses of these
included: a cached function must return what the function itself returns.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgpack

from shoal._codecs.codec import MSGPACK

_TUPLE: Final = 1


def _timedelta_bytes(value: timedelta) -> bytes:
    return f"{value.days},{value.seconds},{value.microseconds}".encode()


def _timedelta_of(data: bytes) -> timedelta:
    days, seconds, microseconds = map(int, data.split(b","))
    return timedelta(days, seconds, microseconds)


def _iso(value: datetime | date | time) -> bytes:
    return value.isoformat().encode()


_EXTENSIONS: Final[dict[type, tuple[int, Callable[[Any], bytes], Callable[[bytes], Any]]]] = {
    datetime: (2, _iso, lambda data: datetime.fromisoformat(data.decode())),
    date: (3, _iso, lambda data: date.fromisoformat(data.decode())),
    time: (4, _iso, lambda data: time.fromisoformat(data.decode())),
    timedelta: (5, _timedelta_bytes, _timedelta_of),
    Decimal: (6, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    UUID: (7, lambda value: value.bytes, lambda data: UUID(bytes=data)),
}
_READERS: Final = {number: read for number, _, read in _EXTENSIONS.values()}


class Msgpack:
    """The codec ``msgpack``."""

    number = MSGPACK

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return the value's msgpack."""
        del key
        return _packed(value)

    def decode(self, body: bytes, key: bytes) -> Any:
        """Return the value."""
        del key
        return _unpacked(body)


def _packed(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_extension, strict_types=True)
    return packed


def _unpacked(body: bytes) -> Any:
    # Every length is checked against the body's own by the library, so that no more is
    # taken than a small multiple of what is there.
    return msgpack.unpackb(body, ext_hook=_extended, strict_map_key=False)


def _extension(value: Any) -> msgpack.ExtType:
    kind = type(value)
    if kind is tuple:
        return msgpack.ExtType(_TUPLE, _packed(list(value)))
    if kind in _EXTENSIONS:
        number, write, read = _EXTENSIONS[kind]
        data = write(value)
        if read(data) != value:
            # A time zone with a name comes back as its offset: equal. NaN does not.
            raise ValueError(f"{value!r} cannot be kept by msgpack as what it is")
        return msgpack.ExtType(number, data)
    raise TypeError(f"msgpack has nothing that comes back as {kind.__name__}")


def _extended(number: int, data: bytes) -> Any:
    if number == _TUPLE:
        return tuple(_unpacked(data))
    if number not in _READERS:
        raise ValueError(f"the value holds an extension {number}, unknown here")
    return _READERS[number](data)
