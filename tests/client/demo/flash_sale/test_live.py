from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from shoal.demo.events import Event, EventKind
from shoal.demo.flash_sale.ledger import Second
from shoal.demo.flash_sale.live import LivePanel, line_of
from shoal.demo.flash_sale.settings import Mode, Settings

SECOND = Second(
    elapsed_seconds=12.02,
    reads_per_second=2_431.4,
    hit_ratio=0.912,
    viral_queries_per_second=31.0,
    all_queries_per_second=214.0,
    p50_ms=0.41,
    p99_ms=41.2,
    stale_so_far=3,
    failures_so_far=0,
)


def test_a_second_is_one_line() -> None:
    assert line_of(SECOND) == (
        "   12 s   2,431 reads/s  hit 91.2%  origin   214/s (viral  31)"
        "  p50   0.41 ms  p99   41.20 ms  stale 3"
    )


def test_failures_are_shown_once_there_are_any() -> None:
    assert line_of(replace(SECOND, failures_so_far=2)).endswith("stale 3  failures 2")


def test_the_panel_shows_figures_and_events() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=100)
    panel = LivePanel(console, Settings(mode=Mode.NAIVE))
    panel.event(Event(EventKind.SALE_STARTS, 0, "sale starts"))
    panel.second(SECOND)
    panel.close()
    for shown in ("2,431", "91.2%", "214", "sale starts", "12 of 60 s"):
        assert shown in output.getvalue()


def test_the_panel_has_a_bar_as_long_as_the_part_that_is_over() -> None:
    def filled(elapsed_seconds: float) -> int:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, no_color=True, width=100)
        panel = LivePanel(console, Settings(mode=Mode.NAIVE, seconds=60))
        panel.second(replace(SECOND, elapsed_seconds=elapsed_seconds))
        panel.close()
        return output.getvalue().count("━")

    begun, half, whole = filled(0.0), filled(30.0), filled(61.0)
    assert begun == 0
    assert whole > 20
    assert whole / 2 - 1 <= half <= whole / 2 + 1


def test_what_lasts_has_a_bar_until_the_next_step() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, no_color=True, width=100)
    panel = LivePanel(console, Settings(mode=Mode.NAIVE))
    panel.step("Filling ...")
    panel.step("Filled")
    panel.close()
    filling, _, filled = output.getvalue().rpartition("Filled")
    assert "Filling ... ━━━" in filling
    assert "━" not in filled
    assert output.getvalue().endswith("\n")
