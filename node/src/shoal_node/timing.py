"""The times of a node that follow from the cluster's lease TTL, and their relations.

    probe + keepalive's time to be renewed  <  TTL - margin

so that a slow probe or one lost keepalive does not cost the lease.
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.registry.upkeep import UpkeepSettings
from shoal_node.policy import Policy

_MARGIN_SHARE = 0.1
_MARGIN_SECONDS_MIN = 0.1
_PROBE_SHARE = 1 / 6
_PROBE_SECONDS_MAX = 0.5
_MS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, unless a name says otherwise."""

    upkeep: UpkeepSettings
    probe_timeout_seconds: float
    policy: Policy


def timing_for(lease_ttl_seconds: int) -> Timing:
    """Raises BadSettings where the TTL leaves no room."""
    margin_seconds = max(_MARGIN_SECONDS_MIN, lease_ttl_seconds * _MARGIN_SHARE)
    ttl_ms = lease_ttl_seconds * _MS_PER_SECOND
    upkeep = UpkeepSettings(margin_seconds=margin_seconds)
    try:
        upkeep.check(lease_ttl_seconds)
    except ValueError as error:
        raise BadSettings(f"the cluster's lease TTL cannot be kept: {error}") from error
    return Timing(
        upkeep=upkeep,
        probe_timeout_seconds=min(_PROBE_SECONDS_MAX, lease_ttl_seconds * _PROBE_SHARE),
        # A lost lease is noticed within one TTL, and regained within another.
        policy=Policy(
            mass_loss_hold_ms=2 * ttl_ms,
            silence_ms=ttl_ms // 2,
            return_hold_ms=ttl_ms * 3 // 2,
        ),
    )
