from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal import Ack
from shoal.demo.failover.chart import draw, subtitle_of, title_of
from shoal.demo.failover.report import Report
from shoal.demo.failover.summary import loss_of, rows_of

Make = Callable[..., Report]


def test_a_mark_is_felt_by_the_partitions_of_its_node_alone(make_report: Make) -> None:
    report = make_report()
    (felt,) = report.felt
    assert felt.mark.at_seconds == 4.0
    in_sync = next(each for each in felt.recoveries if each.ack is Ack.IN_SYNC)
    assert (in_sync.first_ms, in_sync.all_ms) == (2_500.0, 2_500.0)
    assert in_sync.worst_latency_ms == 2_510.0
    assert in_sync.errors == 1


def test_series_count_what_ended_in_each_step(make_report: Make) -> None:
    report = make_report()
    series = next(each for each in report.series if each.ack is Ack.IN_SYNC)
    assert len(series.acknowledged) == 100
    assert series.acknowledged[10] == 2
    assert series.acknowledged[50] == 1
    assert series.errors[44] == 1
    assert sum(series.errors) == 1
    assert series.worst_ms[65] == 2_510.0


def test_a_lost_in_sync_write_is_a_complaint_and_a_lost_primary_write_is_not(
    make_report: Make,
) -> None:
    assert make_report(lost_primary=2).complaints == []
    (complaint,) = make_report(lost_in_sync=2).complaints
    assert "2 of 176 writes that were acknowledged IN_SYNC are lost, among them a, b" in complaint
    assert "LOST" in title_of(make_report(lost_in_sync=2))


def test_what_was_lost_is_said(make_report: Make) -> None:
    primary, in_sync = make_report().verdicts
    assert loss_of(in_sync) == "Lost of 176 acknowledged IN_SYNC writes: nothing."
    assert loss_of(primary).startswith("Lost of 177 acknowledged PRIMARY writes: 2 (")


def test_the_table_fits_a_terminal(make_report: Make) -> None:
    rows = rows_of(make_report())
    assert ("kill -9 node-2", "after 4.0 s") in rows
    assert ("... IN_SYNC", "first write 2,500 ms, all partitions 2,500 ms") in rows
    longest = [max(len(row[column]) for row in rows) for column in (0, 1)]
    assert sum(longest) <= 74


def test_the_report_is_json(make_report: Make, tmp_path: Path) -> None:
    make_report().write_json(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["felt"][0]["mark"]["kind"] == "node killed"
    assert read["settings"]["lanes"] == 24


def test_the_chart_is_an_svg_with_its_marks(make_report: Make, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = make_report()
    for name in ("one.svg", "two.svg"):
        draw(report, tmp_path / name)
    svg = (tmp_path / "one.svg").read_text()
    assert "<svg" in svg
    assert "<!-- kill -9 node-2 -->" in svg
    assert svg == (tmp_path / "two.svg").read_text()
    assert "first write 2,500 ms" in subtitle_of(report)
