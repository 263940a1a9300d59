"""What the agent counts of its own work, for metrics. Counters are since the start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class AgentCounts:
    """Changed in the event loop's thread, read in a scrape's: single numbers only."""

    promotions: int = 0
    """Partitions taken over with their data."""
    empty_take_overs: int = 0
    """Partitions taken over empty, those that nobody had had among them."""
    hand_overs: int = 0
    """Partitions handed to another node."""
    joined: int = 0
    """Copies that came in sync."""
    left: int = 0
    """Copies that are in sync no longer."""
    followed_partitions: int = 0
    under_replicated_partitions: int = 0
    """Of those served here, with fewer copies in sync than the cluster wants."""
    replica_lag_ms: int = 0
    """Of the copy in sync that is furthest behind a partition served here."""
