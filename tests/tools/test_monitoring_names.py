"""Alert rules and dashboard ask for metrics alone that are documented, or a coordinator's."""

from __future__ import annotations

import re
from pathlib import Path

from tools.dashboard import dashboard

from shoal_coordinator.service import metrics as coordinator_metrics

_NAME = re.compile(r"\b(?:shoal|process)_[a-z0-9_]+")


def test_every_metric_that_is_asked_for_exists(repository: Path) -> None:
    documented = set(_NAME.findall((repository / "docs" / "metrics.md").read_text()))
    source = Path(coordinator_metrics.__file__).read_text()
    of_a_coordinator = set(_NAME.findall(source))
    expressions = [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]
    rules = (repository / "monitoring" / "alerts.yaml").read_text()
    asked = {
        name.removesuffix("_bucket")
        for text in (*expressions, *re.findall(r"expr: (?:\|\n(?: {10,}.*\n)+|.*)", rules))
        for name in _NAME.findall(text)
    }
    assert len(asked) > 30
    assert asked - documented - of_a_coordinator == set()
