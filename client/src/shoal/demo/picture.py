"""What the charts of all demos have in common: style, marks, and how they are saved.

matplotlib is imported here late, and drawn with Agg or as SVG: no display is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shoal.demo.failures import ChartUnavailable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#22303c"
MUTED: Final = "#5f6f7d"
GRID: Final = "#e3e8ec"
RED: Final = "#d1495b"
BLUE: Final = "#2a6f97"
PALE_BLUE: Final = "#8da9c4"
VIOLET: Final = "#7b5ea7"
OCHRE: Final = "#b8860b"
GREEN: Final = "#2f8f6b"

_DPI = 130
_STYLE: Any = {
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    # The same run gives the same file.
    "svg.hashsalt": "shoal",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that a chart shows: seconds since the load began."""

    at_seconds: float
    kind: str
    label: str


@contextmanager
def saved_figure(path: Path, *, width_inches: float, height_inches: float) -> Iterator[Figure]:
    """A figure to draw on, saved as what the path's suffix says. Raises ``ChartUnavailable``."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChartUnavailable(
            "No chart was drawn, because matplotlib is missing: pip install 'shoal[demo]'."
        ) from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_inches, height_inches), dpi=_DPI)
        FigureCanvasAgg(figure)
        yield figure
        kind = path.suffix.removeprefix(".")
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(path, format=kind, metadata=metadata)


def draw_marks(axes: Sequence[Axes], marks: Sequence[Mark]) -> None:
    """A line through all panels for each mark, its label on top; close labels are stacked."""
    _, end_seconds = axes[0].get_xlim()
    rows: list[float] = []
    for mark in sorted(marks, key=lambda each: each.at_seconds):
        for panel in axes:
            panel.axvline(mark.at_seconds, color=INK, linewidth=1.4, zorder=4)
        share = mark.at_seconds / end_seconds
        row = next((row for row, taken in enumerate(rows) if share - taken > 0.14), len(rows))
        rows[row : row + 1] = [share]
        axes[0].annotate(
            mark.label,
            xy=(mark.at_seconds, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * row),
            textcoords="offset points",
            ha="right" if share > 0.93 else "left" if share < 0.07 else "center",
            fontweight="bold",
            fontsize=10,
        )
