"""Prefixes as etcd's half-open ranges of bytes."""

from __future__ import annotations

_LAST_BYTE = 0xFF


def end_of_prefix(prefix: bytes) -> bytes:
    """The first key after all that start with ``prefix``."""
    stem = prefix.rstrip(bytes([_LAST_BYTE]))
    assert stem, "a prefix names something"
    return stem[:-1] + bytes([stem[-1] + 1])


def after(key: bytes) -> bytes:
    """The smallest key greater than ``key``."""
    return key + b"\0"
