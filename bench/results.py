"""The whole run, as it is written to JSON and read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bench.finding import Finding


@dataclass(frozen=True, slots=True)
class Results:
    """``servers``: versions by name. ``skipped``: a sentence for each peer that was missing.
    ``failed``: one for each scenario that could not be measured."""

    machine: dict[str, str | int]
    servers: dict[str, str]
    skipped: tuple[str, ...]
    repetitions: int
    seconds: float
    findings: tuple[Finding, ...]
    failed: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        said = {
            "machine": self.machine,
            "servers": self.servers,
            "skipped": self.skipped,
            "failed": self.failed,
            "repetitions": self.repetitions,
            "seconds": round(self.seconds, 1),
            "findings": [finding.to_dict() for finding in self.findings],
        }
        path.write_text(json.dumps(said, indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        said = json.loads(path.read_text())
        return cls(
            machine=said["machine"],
            servers=said["servers"],
            skipped=tuple(said["skipped"]),
            failed=tuple(said["failed"]),
            repetitions=said["repetitions"],
            seconds=said["seconds"],
            findings=tuple(Finding.from_dict(each) for each in said["findings"]),
        )
