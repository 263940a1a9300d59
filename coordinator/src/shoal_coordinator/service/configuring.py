"""``UpdateConfigRequest`` -> the change of a configuration that it asks for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shoal.v1 import admin_pb2, registry_pb2
from shoal_coordinator.planning.permission import members_mark
from shoal_coordinator.registry.codec import (
    eviction_from_pb,
    rebalance_mode_from_pb,
    unclean_from_pb,
)
from shoal_coordinator.registry.records import (
    MINUTES_A_DAY,
    ClusterConfig,
    RebalancePolicy,
)
from shoal_coordinator.registry.view import ClusterView

SNAPSHOT_BYTES_PER_SECOND_MIN = 64 << 10
_LIMITS = ("moves_max", "moves_per_node_max", "moves_per_zone_pair_max", "repairs_max")
_LIMIT_MAX = 16_384


class NotMeant(ValueError):
    """The request cannot be meant. The message is a sentence."""


def config_change(
    request: admin_pb2.UpdateConfigRequest, cancelled_for: str = ""
) -> Callable[[ClusterConfig], ClusterConfig]:
    """What the request makes of any configuration. Raises NotMeant.

    ``cancelled_for``: the members for which a rebalance is cancelled, if it is.
    """
    eviction = eviction_from_pb(request.eviction)
    if eviction is None and request.eviction != registry_pb2.EVICTION_POLICY_UNSPECIFIED:
        raise NotMeant(_unknown("eviction policy"))
    unclean = unclean_from_pb(request.unclean)
    if unclean is None and request.unclean != registry_pb2.UNCLEAN_POLICY_UNSPECIFIED:
        raise NotMeant(_unknown("unclean policy"))
    if 0 < request.snapshot_bytes_per_second < SNAPSHOT_BYTES_PER_SECOND_MIN:
        raise NotMeant(
            f"snapshots at {request.snapshot_bytes_per_second} bytes a second would never "
            f"end: take {SNAPSHOT_BYTES_PER_SECOND_MIN} or more, or 0 for no bound"
        )
    asked = request.rebalance
    _check_rebalance(asked)

    def changed(stands: ClusterConfig) -> ClusterConfig:
        rate = stands.snapshot_bytes_per_second
        if request.HasField("snapshot_bytes_per_second"):
            rate = request.snapshot_bytes_per_second
        return replace(
            stands,
            eviction=eviction or stands.eviction,
            unclean=unclean or stands.unclean,
            snapshot_bytes_per_second=rate,
            rebalance=_rebalance(asked, stands.rebalance, cancelled_for),
            auto_join=request.auto_join if request.HasField("auto_join") else stands.auto_join,
        )

    return changed


def cancelled_for(request: admin_pb2.UpdateConfigRequest, view: ClusterView | None) -> str:
    """The members for which this request cancels a rebalance; empty where it does not."""
    if request.rebalance.mode != registry_pb2.REBALANCE_MODE_CANCELLED or view is None:
        return ""
    return members_mark(view)


def _check_rebalance(asked: admin_pb2.RebalanceChange) -> None:
    if rebalance_mode_from_pb(asked.mode) is None:
        raise NotMeant(_unknown("mode of a rebalance"))
    for name in _LIMITS:
        if getattr(asked, name) > _LIMIT_MAX:
            raise NotMeant(f"{name} is at most {_LIMIT_MAX}")
    if asked.window_from_minute >= MINUTES_A_DAY or asked.window_minutes > MINUTES_A_DAY:
        raise NotMeant(f"a day has {MINUTES_A_DAY} minutes: the window is not within one")


def _rebalance(
    asked: admin_pb2.RebalanceChange, stands: RebalancePolicy, cancelled_for: str
) -> RebalancePolicy:
    usual = RebalancePolicy()
    changes = {field.name: value for field, value in asked.ListFields()}
    for name in _LIMITS:
        if changes.get(name) == 0:
            changes[name] = getattr(usual, name)
    if "mode" in changes:
        changes["mode"] = rebalance_mode_from_pb(asked.mode)
        changes["cancelled_for"] = cancelled_for
    return replace(stands, **changes)


def _unknown(name: str) -> str:
    return f"this coordinator knows no such {name}: ask one of a newer release"
