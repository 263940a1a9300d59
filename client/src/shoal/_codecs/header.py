"""The four bytes before every value that the toolkit stores.

    byte  meaning
    0     0xC1: no text in UTF-8 and no msgpack begins with it
    1     version of the frame, now 1
    2     number of the codec
    3     compression: 0 none, 1 zstd

So what other programs stored under the key is told apart from what is ours, and a value of
a codec that this process does not have is refused instead of misread.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from shoal._errors import UnreadableValue

HEADER_BYTES: Final = 4
_MARK: Final = 0xC1
_VERSION: Final = 1


class Compression(IntEnum):
    """How the body is compressed."""

    NONE = 0
    ZSTD = 1


# Ten times faster than to call the enum.
_COMPRESSIONS: Final = {int(each): each for each in Compression}


class Frame(NamedTuple):
    """A value as it is stored, taken apart."""

    codec: int
    compression: Compression
    body: bytes


def framed(codec: int, compression: Compression, body: bytes) -> bytes:
    """Put the header before a body."""
    return bytes((_MARK, _VERSION, codec, compression)) + body


def unframed(stored: bytes) -> Frame:
    """Take a stored value apart. Raises UnreadableValue."""
    if len(stored) < HEADER_BYTES or stored[0] != _MARK:
        raise UnreadableValue(
            "the value was not stored by this toolkit: read it with client.get, or delete it"
        )
    if stored[1] != _VERSION:
        raise UnreadableValue(
            f"the value has a frame of version {stored[1]}, this client reads {_VERSION}: "
            "bring the client up to date"
        )
    compression = _COMPRESSIONS.get(stored[3])
    if compression is None:
        raise UnreadableValue(f"the value names compression {stored[3]}, unknown here")
    return Frame(stored[2], compression, stored[HEADER_BYTES:])
