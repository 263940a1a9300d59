"""Numbers of bytes as people write them."""

from __future__ import annotations

import click
import pytest

from shoal.cli.sizes import size_bytes


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1048576", 1 << 20),
        ("7B", 7),
        ("64MiB", 64 << 20),
        ("64 mib", 64 << 20),
        ("1.5GB", 1_500_000_000),
        ("2TiB", 2 << 40),
        ("10kb", 10_000),
    ],
)
def test_sizes(text: str, wanted: int) -> None:
    assert size_bytes(text) == wanted


@pytest.mark.parametrize("text", ["", "MiB", "-1MiB", "1e9", "64MiB/s", "0x10", "1iB", "1.MiB"])
def test_what_is_not_a_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 64MiB"):
        size_bytes(text)
