"""What a run looks like, on a terminal and in a document."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from bench import chart, report
from bench.results import Results
from bench.table import markdown, number, show
from rich.console import Console

from bench_figures import results


def test_the_terminal_shows_goals_figures_notes_and_what_was_skipped() -> None:
    out = io.StringIO()
    show(results(), Console(file=out, width=160))
    text = out.getvalue()
    for shown in (
        "<= 0.6",
        "0.28 .. 0.31",
        "met",
        "123,456",
        "something to know",
        "skipped: mem",
        "not measured: join",
    ):
        assert shown in text
    # Nobody has a latency here, so no column is spent on it.
    assert "p99 us" not in text


def test_markdown_holds_the_same() -> None:
    text = markdown(results())
    assert "2 cores of a processor, Linux 6.1; 3 repetitions" in text
    assert "| get-4x32 | Shoal / Redis | 0.30 | 0.28 .. 0.31 | <= 0.6 | met |" in text
    assert "| Redis | GET, 50 x 1 | 7.10 | 7.00 .. 7.20 | 65,432 |" in text
    assert "- skipped: memcached is missing" in text
    assert "- not measured: join: a node did not start" in text


def test_figures_have_three_digits() -> None:
    assert [number(value) for value in (0, 0.123, 1.234, 12.34, 123.4, 12345.6)] == [
        "0", "0.12", "1.23", "12.3", "123", "12,346",
    ]  # fmt: skip


def test_results_are_read_back_and_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    results().write(path)
    assert Results.read(path) == results()
    report.main([str(path)])
    assert capsys.readouterr().out == markdown(results())


def test_a_file_of_something_else_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("[]")
    with pytest.raises(SystemExit, match="holds no results"):
        report.main([str(path)])


@pytest.mark.parametrize("name", ["bench.svg", "bench.png"])
def test_a_chart_is_drawn(tmp_path: Path, name: str) -> None:
    chart.draw(results(), tmp_path / name)
    head = (tmp_path / name).read_bytes()[:200]
    assert head.startswith(b"\x89PNG") or b"<?xml" in head
