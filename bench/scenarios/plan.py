"""What a run was asked for, as every scenario needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.machine import Cores
from bench.servers import Start


@dataclass(frozen=True, slots=True)
class Plan:
    """``peers`` are those that are installed. ``is_quick``: small numbers, to see that it runs."""

    cores: Cores
    core_count: int
    shoal: Start
    peers: dict[str, Start]
    repetitions: int
    seconds: float
    is_quick: bool
    say: Callable[[str], None]

    @property
    def servers(self) -> dict[str, Start]:
        """Ours first."""
        return {"Shoal": self.shoal, **self.peers}
