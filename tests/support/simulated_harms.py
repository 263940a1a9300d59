"""Which harms are done to a simulated cluster, as often as they stand here."""

from __future__ import annotations

HARMS = (
    *("move", "move", "move", "crash", "crash", "cut", "pause", "keeper", "wedge"),
    *("stop", "impostor", "lonely", "slow copies", "deaf"),
    # Everywhere.
    *("cut everywhere", "paused everywhere"),
)
ETCD_HARMS = ("etcd away", "deaf", "crash", "move", "stop")
"""Leases are revoked, not run out: whoever comes under another's id must not meet that."""
