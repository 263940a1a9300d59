"""The live table: a picture of the cluster as rich renders it, for wide and narrow terminals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shoal.cli.figures import Figures
from shoal.cli.up.picture import NodeRow, NodeState, Picture, partitions_sentence

UNKNOWN = "-"
WIDE_CHARACTERS = 112
"""From this width on all columns are shown."""

_STYLES = {
    NodeState.SERVING: "green",
    NodeState.JOINING: "yellow",
    NodeState.FENCED: "yellow",
    NodeState.SILENT: "yellow",
    NodeState.DOWN: "bold red",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Column:
    """``is_wide``: left out where the terminal is narrow."""

    heading: str
    cell: Callable[[NodeRow], str | Text]
    justify: Literal["left", "right"] = "right"
    is_wide: bool = False


def render(seen: Picture, width: int) -> RenderableType:
    """Draw it for a terminal of so many characters."""
    columns = [column for column in COLUMNS if width >= WIDE_CHARACTERS or not column.is_wide]
    table = Table(box=None, pad_edge=False, collapse_padding=width < WIDE_CHARACTERS)
    for column in columns:
        table.add_column(column.heading, justify=column.justify, no_wrap=True)
    for row in seen.nodes:
        table.add_row(*(column.cell(row) for column in columns))
    return Group(table, Text(), *_footer(seen))


def bytes_text(count: float) -> str:
    """Of bytes, with a binary unit."""
    size, unit = count, 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return (
        f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"
    )


def _of_figures(text: Callable[[Figures], str]) -> Callable[[NodeRow], str]:
    """A cell of a node's figures, where it has any."""
    return lambda row: UNKNOWN if row.reading is None else text(row.reading.figures)


def _count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}"


def _hits(row: NodeRow) -> str:
    return UNKNOWN if row.rates.hit_ratio is None else f"{row.rates.hit_ratio:.1%}"


def _lease_age(figures: Figures) -> str:
    age_seconds = figures.lease_age_seconds
    return UNKNOWN if age_seconds is None else f"{age_seconds:.1f} s"


COLUMNS = (
    Column("node", lambda row: row.id, justify="left"),
    Column("zone", lambda row: row.zone, justify="left", is_wide=True),
    Column("address", lambda row: row.address, justify="left"),
    Column("state", lambda row: Text(row.state, style=_STYLES[row.state]), justify="left"),
    Column("primary", lambda row: _count(row.primaries)),
    Column("replica", lambda row: _count(row.replicas)),
    Column("ops/s", lambda row: _count(row.rates.operations_per_second)),
    Column("hits", _hits),
    Column("entries", _of_figures(lambda figures: _count(figures.entries)), is_wide=True),
    Column("memory", _of_figures(lambda figures: bytes_text(figures.memory_bytes))),
    Column("of", _of_figures(lambda figures: bytes_text(figures.maxmemory_bytes)), is_wide=True),
    Column("lease", _of_figures(_lease_age)),
    Column("pid", lambda row: UNKNOWN if row.pid is None else str(row.pid), is_wide=True),
)


def _footer(seen: Picture) -> list[Text]:
    others = Text()
    for other in seen.others:
        others.append(f"{other.name} ")
        others.append("up" if other.is_up else other.note, style="green" if other.is_up else "red")
        others.append("  ")
    lost = [Text(f"{row.id} {row.note}", style="red") for row in seen.nodes if row.note]
    partitions = Text(partitions_sentence(seen), style="" if seen.unserved == 0 else "red")
    return [others, *lost, partitions]
