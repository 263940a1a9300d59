"""zstd, whose output is bounded before memory is taken.

A frame says how large it is when it is unpacked; one that says more than the bound, or does
not say it, is refused unread. One that lies is stopped at the bound, because the library
is asked for that much at most.
"""

from __future__ import annotations

import sys

from shoal._errors import UnreadableValue

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 3
_LARGEST_WINDOW_LOG = 24
"""A decompressor keeps a window of up to 2**24 bytes; what needs more is refused."""


def compressed(body: bytes) -> bytes:
    """Return the body as one zstd frame that tells its size."""
    return zstd.compress(body, _LEVEL)


def decompressed(body: bytes, largest_bytes: int) -> bytes:
    """Return what was compressed, of at most this size. Raises UnreadableValue."""
    try:
        size = zstd.get_frame_info(body).decompressed_size
        if size is None or size > largest_bytes:
            raise UnreadableValue(
                f"the value would unpack to {'an unknown number of' if size is None else size} "
                f"bytes, and {largest_bytes} are allowed (max_bytes)"
            )
        unpacker = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW_LOG}
        )
        # One byte more than it says, so that a frame that lies is noticed.
        unpacked = unpacker.decompress(body, max_length=size + 1)
    except (zstd.ZstdError, ValueError) as error:
        if isinstance(error, UnreadableValue):
            raise
        raise UnreadableValue(f"the value is no whole zstd frame: {error}") from error
    if not unpacker.eof or len(unpacked) != size or unpacker.unused_data:
        raise UnreadableValue("the value is no whole zstd frame of the size that it tells")
    return unpacked
