"""``shoal.codecs.Serializer``: a codec, compression above a size, and the bounds of both."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias, cast

from shoal._codecs.codec import Codec
from shoal._codecs.header import HEADER_BYTES, Compression, framed, unframed
from shoal._errors import ConfigurationError, InvalidRequest, UnreadableValue

DEFAULT_COMPRESS_ABOVE_BYTES: Final = 2048
DEFAULT_MAX_BYTES: Final = 16 * 1024 * 1024
_LARGEST_NUMBER: Final = 255

CodecName: TypeAlias = Literal["msgpack", "json"]
_NAMED: Final = {
    "msgpack": ("shoal._codecs.msgpack", "Msgpack"),
    "json": ("shoal._codecs.json", "Json"),
}


class Serializer:
    """Turns values into what is stored, and back. Stateless; shared by threads.

    It reads what its own codec wrote, and what the codecs in ``also_reads`` did: so an
    application moves from one codec to another while old values are still in the cache.
    """

    def __init__(
        self,
        codec: Codec | CodecName = "msgpack",
        *,
        also_reads: Iterable[Codec | CodecName] = (),
        compress_above: int | None = DEFAULT_COMPRESS_ABOVE_BYTES,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Choose codec and bounds. Raises ConfigurationError.

        ``compress_above`` counts bytes, None never compresses. ``max_bytes`` bounds a value
        before compression: a larger one is neither written nor unpacked.
        """
        if compress_above is not None and compress_above < 0:
            raise ConfigurationError(f"compress_above must be 0 or more, not {compress_above}")
        if max_bytes < 1:
            raise ConfigurationError(f"max_bytes must be 1 or more, not {max_bytes}")
        self._codec = _codec(codec)
        self._readers: dict[int, Codec] = {}
        for reader in (self._codec, *map(_codec, also_reads)):
            if not 0 <= reader.number <= _LARGEST_NUMBER:
                raise ConfigurationError(
                    f"the number of a codec must be 0 to {_LARGEST_NUMBER}, not {reader.number}"
                )
            if reader.number in self._readers:
                raise ConfigurationError(f"two codecs of a serializer have number {reader.number}")
            self._readers[reader.number] = reader
        self._compress_above_bytes = compress_above
        self._max_bytes = max_bytes

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return what is stored. Raises InvalidRequest, reason NOT_SERIALIZABLE."""
        try:
            body = self._codec.encode(value, key)
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise InvalidRequest(
                f"a {type(value).__name__} cannot be stored by {type(self._codec).__name__}: "
                f"{error}; turn it into plain values, or choose another codec",
                reason="NOT_SERIALIZABLE",
            ) from error
        if len(body) > self._max_bytes:
            raise InvalidRequest(
                f"the value takes {len(body)} bytes, and {self._max_bytes} are allowed "
                "(max_bytes): store less",
                reason="NOT_SERIALIZABLE",
            )
        number = self._codec.number
        if self._compress_above_bytes is not None and len(body) > self._compress_above_bytes:
            from shoal._codecs.compression import compressed

            smaller = compressed(body)
            if len(smaller) < len(body):
                return framed(number, Compression.ZSTD, smaller)
        return framed(number, Compression.NONE, body)

    def decode(self, stored: bytes, key: bytes) -> Any:
        """Return the value. Raises UnreadableValue for everything that is not one of ours."""
        frame = unframed(stored)
        codec = self._readers.get(frame.codec)
        if codec is None:
            raise UnreadableValue(
                f"the value was written by codec {frame.codec}, and this serializer has "
                f"{sorted(self._readers)}: name that codec in also_reads"
            )
        body = frame.body
        if frame.compression is Compression.ZSTD:
            from shoal._codecs.compression import decompressed

            body = decompressed(body, self._max_bytes)
        elif len(stored) - HEADER_BYTES > self._max_bytes:
            raise UnreadableValue(f"the value takes more than the {self._max_bytes} bytes allowed")
        try:
            return codec.decode(body, key)
        except UnreadableValue:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            raise UnreadableValue(
                f"the value is not what {type(codec).__name__} writes: {error!r}"
            ) from error


def _codec(codec: Codec | CodecName) -> Codec:
    if not isinstance(codec, str):
        return codec
    if codec not in _NAMED:
        raise ConfigurationError(
            f"codec must be one of {', '.join(sorted(_NAMED))} or a codec such as "
            f"shoal.codecs.SignedPickle(secret), not {codec!r}"
        )
    home, name = _NAMED[codec]
    return cast("Codec", getattr(import_module(home), name)())
