"""A node as the admin service tells of it -> what commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2, registry_pb2

NEW = "new"
"""Registered, and not a member yet: for a moment, or while no coordinator leads."""


def state_text(member: registry_pb2.Member) -> str:
    from shoal.v1 import registry_pb2

    if member.state == registry_pb2.MEMBER_STATE_UNSPECIFIED:
        return NEW
    name = registry_pb2.MemberState.Name(member.state)
    return name.removeprefix("MEMBER_STATE_").lower()


def member_fields(member: registry_pb2.Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "state": state_text(member),
        "weight": member.weight,
        "weight_is_set": member.weight_is_set,
        "zone": member.zone,
    }


def node_fields(node: admin_pb2.NodeStatus) -> dict[str, Any]:
    """``wanted_partitions``: of which the registry asks it to have a copy."""
    return {
        **member_fields(node.member),
        "is_up": node.HasField("registration"),
        "is_leaving": node.registration.leaving,
        "address": node.registration.address,
        "version": node.registration.version,
        "primary_partitions": node.primary_partitions,
        "in_sync_partitions": node.in_sync_partitions,
        "wanted_partitions": node.wanted_primary_partitions + node.replica_partitions,
    }
