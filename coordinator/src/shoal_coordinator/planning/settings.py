"""How patient the planner is, and how much it does at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Times are seconds. The defaults suit a lease TTL of some seconds."""

    settle_seconds: float = 1.0
    """The ring must be unchanged for so long before anything is planned by it."""
    down_grace_seconds: float = 60.0
    """A node that is down keeps its place for so long: it may come back."""
    handoff_settle_seconds: float = 5.0
    """The ring, and the target, must be steady for so long before partitions move."""
    handoff_round_seconds: float = 1.0
    """For as many moves to begin as may be under way, evenly: each costs every node some
    work, and what many cost at once would keep requests waiting."""
    handoff_timeout_seconds: float = 30.0
    """A handoff that takes longer is withdrawn, and tried again later."""
    flap_window_seconds: float = 600.0
    """Restarts within it make the planner more patient with a node."""
    flap_base_seconds: float = 2.0
    """For so long a node must be up after a restart; it doubles with each further one."""
    flap_max_seconds: float = 120.0
    writes_per_round_max: int = 2048

    def __post_init__(self) -> None:
        if not 0 <= self.settle_seconds <= self.handoff_settle_seconds:
            raise ValueError("handoff_settle_seconds must not be below settle_seconds")
        if self.down_grace_seconds < self.handoff_settle_seconds:
            raise ValueError("down_grace_seconds must not be below handoff_settle_seconds")
        if self.writes_per_round_max < 1:
            raise ValueError("at least one write must be allowed at a time")
        if not 0 < self.flap_base_seconds <= self.flap_max_seconds:
            raise ValueError("flap_base_seconds must be positive and at most flap_max_seconds")
