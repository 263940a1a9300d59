"""A number of bytes as people write it: ``1048576``, ``64MiB``, ``1.5GB``."""

from __future__ import annotations

import re

import click

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?i?B)?", re.IGNORECASE | re.ASCII)
_POWERS = " KMGT"


def size_bytes(text: str) -> int:
    """Raises BadParameter, which tells how to write one."""
    match = _SIZE.fullmatch(text)
    if match is None or (match[2] or "").lower() == "ib":
        raise click.BadParameter(
            f"{text!r} is not a size: write a number of bytes, or one with KiB, MiB, GiB, KB, "
            "MB or GB, such as 64MiB"
        )
    unit = (match[2] or "").upper()
    base = 1024 if "I" in unit else 1000
    power = _POWERS.index(unit[0]) if len(unit) > 1 else 0
    return int(float(match[1]) * base**power)
