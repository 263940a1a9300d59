"""The seam: what a codec does, and the numbers by which a frame names one."""

from __future__ import annotations

from typing import Any, Final, Protocol

MSGPACK: Final = 1
JSON: Final = 2
SIGNED_PICKLE: Final = 3
FIRST_OF_APPLICATIONS: Final = 64
"""Numbers from here to 255 are for codecs of an application's own."""


class Codec(Protocol):
    """Turns values into bytes and back. Stateless; shared by threads.

    Contract: ``decode(encode(value, key), key)`` equals ``value`` and has its type, or
    ``encode`` raises. ``decode`` meets bytes that anybody may have written: it raises
    ``UnreadableValue``, or any ValueError or TypeError, for what it did not write, and runs
    nothing that they contain.
    """

    @property
    def number(self) -> int:
        """What the frame calls this codec: 0 to 255."""
        ...

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return the value's bytes. Raises TypeError or ValueError for what it cannot keep."""
        ...

    def decode(self, body: bytes, key: bytes) -> Any:
        """Return the value that was encoded for this key."""
        ...
