from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal.demo.flash_sale.report import Report
from shoal.demo.flash_sale.summary import rows_of


def test_the_json_holds_what_was_asked_for(report: Report, tmp_path: Path) -> None:
    path = tmp_path / f"{report.name}.json"
    report.write_json(path)
    written = json.loads(path.read_text())
    assert path.name == "flash-sale-naive.json"
    assert written["demo"] == "flash-sale"
    assert written["settings"]["mode"] == "naive"
    assert written["reads"]["total"] == 30
    assert written["origin_load"]["worst_herd"] == 3
    assert written["herds"] == [{"at_seconds": 2.0, "queries": 3, "is_past_the_cache": False}]
    assert written["events"] == [{"at_seconds": 1.0, "kind": "sale starts", "label": "sale starts"}]
    assert [mark["kind"] for mark in written["disappearances"]] == ["expired"]
    assert written["series"]["bin_ms"] == 100
    assert len(written["series"]["viral_queries"]) == 50
    assert sum(written["series"]["viral_queries"]) == 4
    assert written["staleness"]["beyond_window"] == 0
    assert written["complaints"] == []


def test_queries_before_the_sale_are_no_herd_of_the_sale(report: Report) -> None:
    assert report.origin_load.viral_queries == 4
    assert report.origin_load.viral_queries_in_sale == 3


def test_it_is_said_who_queries_and_who_waits(leased_report: Report) -> None:
    assert "of 8 callers in 2 processes" in " ".join(leased_report.notes)
    assert "one queries the database" in " ".join(leased_report.notes)


def test_a_run_without_an_expiry_says_that_it_shows_no_herd(leased_report: Report) -> None:
    assert leased_report.disappearances == []
    assert any("never went missing" in note for note in leased_report.notes)


@pytest.mark.parametrize(
    "row", ["reads", "hit ratio", "stale answers", "beyond the window", "worst herd"]
)
def test_the_summary_has_a_row(report: Report, row: str) -> None:
    assert row in dict(rows_of(report))
