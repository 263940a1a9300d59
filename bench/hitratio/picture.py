"""The miss ratios as a picture: a panel for each load, a line for each cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.hitratio.judgement import Cell

_COLUMNS = 4
_SHOAL, _REDIS, _LRU = "#0b7285", "#c92a2a", "#868e96"


def draw(cells: Sequence[Cell], path: Path) -> None:
    """SVG or PNG, by the file's name; the same cells give the same bytes."""
    loads = list(dict.fromkeys(cell.load for cell in cells))
    rows = -(-len(loads) // _COLUMNS)
    figure = Figure(figsize=(3.4 * _COLUMNS, 2.9 * rows), layout="tight")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(loads) :]:
        axes.set_visible(False)
    for axes, load in zip(grid.flat, loads, strict=False):
        of_load = [cell for cell in cells if cell.load == load]
        places = range(len(of_load))
        axes.plot(places, [c.redis for c in of_load], "s-", color=_REDIS, label="Redis allkeys-lru")
        exact = [(at, c.equal_entries) for at, c in enumerate(of_load) if c.equal_entries]
        axes.plot(
            [at for at, _ in exact],
            [equal.exact_lru for _, equal in exact],
            ":",
            color=_LRU,
            label="exact LRU, as many entries",
        )
        axes.plot(places, [c.shoal for c in of_load], "o-", color=_SHOAL, label="Shoal s3fifo")
        axes.set_title(load, fontsize=10)
        axes.set_xticks(places, [f"{cell.percent} %" for cell in of_load])
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    grid[0][0].set_ylabel("miss ratio")
    grid[0][0].legend(fontsize=7)
    figure.suptitle("Miss ratio by share of the footprint, at the same memory (less is better)")
    with mpl.rc_context({"svg.hashsalt": "shoal"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
