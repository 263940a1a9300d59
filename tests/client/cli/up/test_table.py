"""The live table, drawn from sample pictures."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shoal.cli.figures import Figures, Rates, Reading
from shoal.cli.up.picture import NodeRow, NodeState, Picture, ProcessRow
from shoal.cli.up.table import bytes_text, render

SERVING = NodeRow(
    id="node-1",
    zone="zone-a",
    address="127.0.0.1:20006",
    pid=4711,
    state=NodeState.SERVING,
    note="",
    primaries=86,
    replicas=85,
    reading=Reading(
        1.0,
        Figures(
            requests=1000,
            hits=900,
            misses=100,
            entries=12_345,
            memory_bytes=3 * 1024 * 1024,
            maxmemory_bytes=256 * 1024 * 1024,
            lease_age_seconds=0.44,
            lease_remaining_seconds=2.5,
        ),
    ),
    rates=Rates(1234.5, 0.987),
)
DOWN = NodeRow(
    id="node-2",
    zone="zone-b",
    address="127.0.0.1:20008",
    pid=None,
    state=NodeState.DOWN,
    note="killed by SIGKILL",
    primaries=0,
    replicas=0,
    reading=None,
    rates=Rates(None, None),
)


def drawn(unserved: int | None = 0, width: int = 120) -> list[str]:
    shown = Picture(
        nodes=(SERVING, DOWN),
        others=(
            ProcessRow("etcd", is_up=True, note=""),
            ProcessRow("coordinator-1", is_up=False, note="killed by SIGTERM"),
        ),
        partition_count=256,
        unserved=unserved,
    )
    text = io.StringIO()
    Console(file=text, width=width).print(render(shown, width))
    return text.getvalue().splitlines()


def line_of(name: str) -> str:
    return next(line for line in drawn() if line.startswith(name))


@pytest.mark.parametrize(
    "cell",
    [
        "zone-a",
        "127.0.0.1:20006",
        "serving",
        " 86 ",
        " 85 ",
        "1,234",
        "98.7%",
        "12,345",
        "3.0 MiB",
        "256 MiB",
        "0.4 s",
        "4711",
    ],
)
def test_a_node_that_serves(cell: str) -> None:
    assert cell in line_of("node-1")


def test_a_node_that_is_down_says_why_and_shows_nothing_else() -> None:
    line = line_of("node-2")
    assert line.split()[:6] == ["node-2", "zone-b", "127.0.0.1:20008", "down", "0", "0"]
    assert set(line.split()[6:]) == {"-"}
    assert "node-2 killed by SIGKILL" in drawn()


def test_the_last_lines_tell_of_the_others_and_of_the_partitions() -> None:
    assert "etcd up  coordinator-1 killed by SIGTERM" in drawn()[-3]
    assert drawn()[-1] == "all 256 partitions are served"
    assert drawn(unserved=9)[-1] == "9 of 256 partitions are not served"


def test_a_narrow_terminal_shows_fewer_columns_whole() -> None:
    narrow = drawn(width=80)
    headings = "node address state primary replica ops/s hits memory lease"
    assert " ".join(narrow[0].split()) == headings
    cells = "node-1 127.0.0.1:20006 serving 86 85 1,234 98.7% 3.0 MiB 0.4 s"
    assert " ".join(narrow[1].split()) == cells
    assert max(map(len, narrow)) <= 80


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (268_435_456, "256 MiB"), (2**40, "1.0 TiB")],
)
def test_bytes_are_told_in_binary_units(count: int, text: str) -> None:
    assert bytes_text(count) == text
