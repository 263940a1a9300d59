"""Keeping a lease: the schedule, which is pure, and the thread that follows it."""

from shoal_coordinator.registry.upkeep.schedule import Schedule, UpkeepSettings, deadline_ns
from shoal_coordinator.registry.upkeep.thread import LeaseUpkeep, UpkeepCallbacks, boottime_ns

__all__ = [
    "LeaseUpkeep",
    "Schedule",
    "UpkeepCallbacks",
    "UpkeepSettings",
    "boottime_ns",
    "deadline_ns",
]
