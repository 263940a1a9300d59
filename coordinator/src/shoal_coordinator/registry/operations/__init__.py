"""The registry's writes, each one compare-and-swap, used by coordinator and agent alike.

A transaction whose answer was lost is read back before anything else is done
(``settle``). So each operation tells won from lost, and raises

- StoreUnavailable when nothing was written, certainly;
- OutcomeUnknown when that could not be found out within some seconds: look at
  the next view before deciding again;
- LeaseLost where a lease is named that is gone;
- StoreWentBack.
"""

from shoal_coordinator.registry.operations.config import (
    change_config,
    create_config,
    read_config,
)
from shoal_coordinator.registry.operations.election import (
    Elected,
    NotElected,
    campaign,
    resign,
)
from shoal_coordinator.registry.operations.members import (
    MemberChange,
    MemberStands,
    change_member,
    change_membership,
)
from shoal_coordinator.registry.operations.nodes import (
    NameTaken,
    Registered,
    announce_leaving,
    register_node,
    remove_registration,
)
from shoal_coordinator.registry.operations.outcome import Lost, Won
from shoal_coordinator.registry.operations.partitions import (
    HANDED_TOGETHER_MAX,
    Handed,
    PlannedRecord,
    Taken,
    change_as_primary,
    change_together,
    hand_over,
    plan_partition,
    plan_partitions,
    take_over,
    take_over_together,
)
from shoal_coordinator.registry.operations.reports import put_report, read_reports

__all__ = [
    "HANDED_TOGETHER_MAX",
    "Elected",
    "Handed",
    "Lost",
    "MemberChange",
    "MemberStands",
    "NameTaken",
    "NotElected",
    "PlannedRecord",
    "Registered",
    "Taken",
    "Won",
    "announce_leaving",
    "campaign",
    "change_as_primary",
    "change_config",
    "change_member",
    "change_membership",
    "change_together",
    "create_config",
    "hand_over",
    "plan_partition",
    "plan_partitions",
    "put_report",
    "read_config",
    "read_reports",
    "register_node",
    "remove_registration",
    "resign",
    "take_over",
    "take_over_together",
]
