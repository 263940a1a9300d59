"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that no history may hold."""

    check: str
    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.check}: {self.key}: {self.sentence}"
