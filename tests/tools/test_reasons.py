"""docs/reasons.md lists the reasons that the data plane can give, with their codes."""

from __future__ import annotations

import re
from pathlib import Path

from shoal_coordinator.membership import Reason

ELSEWHERE = {"NOT_READY", "REGISTRY_UNAVAILABLE", "NO_LEADER", *Reason}
"""Given by the coordinator."""


def camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))


def test_every_reason_is_documented_with_its_code(repository: Path) -> None:
    source = (repository / "node" / "server" / "src" / "reasons.rs").read_text()
    given = set(re.findall(r'\w+ = "([A-Z_]+)" => (\w+),', source))
    page = (repository / "docs" / "reasons.md").read_text()
    documented = {
        (reason, camel(code))
        for reason, code in re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)`", page, re.MULTILINE)
    }
    assert len(given) > 15
    assert given == {pair for pair in documented if pair[0] not in ELSEWHERE}
    assert {reason for reason, _ in documented} >= ELSEWHERE
