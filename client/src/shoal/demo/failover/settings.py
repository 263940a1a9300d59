"""What one run of the demo is asked to do, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.demo.failures import DemoFailed

NODES = 3
NS_PER_SECOND = 1_000_000_000


class SettingsRefused(DemoFailed):
    """The settings do not fit together; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. The steps wait for the cluster, so that its length is not given."""

    calm_seconds: float = 4.0
    """Of undisturbed load before the kill, between the steps, and at the end."""
    lanes: int = 24
    """Writers; each keeps to one partition, so that no pause of one hides another's."""
    pause_ms: float = 40.0
    """Of a lane between two operations."""
    restore_seconds_max: float = 60.0
    """How long the cluster may take until every partition has two copies again."""
    partitions: int = 64
    lease_ttl_seconds: int = 3
    timeout: str = "20s"
    """Of each operation: longer than a failover, so that it is latency and not an error."""

    def __post_init__(self) -> None:
        least = 2 * NODES
        if self.lanes < least:
            raise SettingsRefused(f"Give at least --lanes {least}: two for each node.")
        if self.calm_seconds <= 0 or self.pause_ms < 0:
            raise SettingsRefused("--calm must be positive, --pause not negative.")
