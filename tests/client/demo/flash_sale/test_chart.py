from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shoal.demo.failures import ChartUnavailable
from shoal.demo.flash_sale.chart import draw, subtitle_of, title_of
from shoal.demo.flash_sale.report import Report

PNG = b"\x89PNG\r\n\x1a\n"


def width_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:20], "big")


def test_a_chart_is_a_png(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.png"
    draw([report], path)
    assert path.read_bytes().startswith(PNG)


def test_two_reports_stand_side_by_side(
    report: Report, leased_report: Report, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    draw([report], one)
    draw([report, leased_report], two)
    assert width_of(two) == 2 * width_of(one)


def test_the_title_says_what_was_found(report: Report) -> None:
    assert title_of(report) == (
        "Flash sale: one viral key expires, up to 3 identical queries hit the database"
    )
    assert "loaded 1 times, with 3.0 queries each" in subtitle_of(report)


def test_a_missing_matplotlib_is_a_sentence(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ChartUnavailable, match=r"pip install 'shoal\[demo\]'"):
        draw([report], tmp_path / "chart.png")
    assert not (tmp_path / "chart.png").exists()
