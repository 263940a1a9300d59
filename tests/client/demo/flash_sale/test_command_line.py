from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shoal.demo.flash_sale import command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--ttl", "soon"], "is not a time"),
        (["--origin", "mysql://somewhere"], "give sqlite, or postgresql://"),
        (["--seconds", "10"], "hardly expire once"),
        (["--workers", "0"], "--workers"),
        (["--kill", "--url", "shoal://a:1"], "leave --url out"),
        (["--add-node", "--url", "shoal://a:1"], "leave --url out"),
        (["--compare", "--naive"], "leave one of them out"),
        (["--kill", "--seconds", "15", "--ttl", "2s"], "give at least --seconds 20"),
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_the_help_names_every_option() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    for option in ("--url", "--origin", "--seconds", "--ttl", "--naive", "--out", "--seed"):
        assert option in result.output


@pytest.mark.cluster
@pytest.mark.timeout(180)
def test_a_short_sale_on_a_cluster_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--seconds", "8", "--ttl", "2s", "--products", "5000", "--workers", "2"]
    result = CliRunner().invoke(command, [*arguments, "--naive", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "flash-sale-naive.json").read_text())
    assert report["reads"]["total"] > 500
    assert report["reads"]["hits"] > 0
    assert report["reads"]["failed"] == 0
    assert report["staleness"]["beyond_window"] == 0
    assert report["staleness"]["unjudged"] == 0
    assert report["price_changes"]["failed_deletes"] == 0
    assert report["origin_load"]["viral_reloads_in_sale"] >= 2
    assert (tmp_path / "flash-sale-naive.png").read_bytes().startswith(b"\x89PNG")
