"""What a node may find itself in, drawn at random: views, its own state, and the time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from cluster_views import CONFIG, copy, live, member, record, view
from shoal_coordinator.registry.records import (
    Epoch,
    Incarnation,
    MemberState,
    NodeId,
    PartitionId,
    PartitionRecord,
    Unclean,
)
from shoal_coordinator.registry.view import ClusterView
from shoal_node.local import Following, Joining, Local, Required
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication

NAMES = ("a", "b", "c", "d")
MEMBER_STATES = list(MemberState)
POLICY = Policy()


@st.composite
def views(draw: st.DrawFn) -> ClusterView:
    nodes = tuple(
        live(name, run=draw(st.integers(1, 2)), since=since, weight=draw(st.sampled_from((0, 100))))
        for since, name in enumerate(draw(st.sets(st.sampled_from(NAMES))), start=1)
    )
    records = tuple(
        record(
            partition,
            draw(st.sampled_from((None, *NAMES))),
            run=draw(st.integers(1, 2)),
            epoch=draw(st.integers(1, 4)),
            preference=" ".join(draw(st.permutations(NAMES))[: draw(st.integers(0, 4))]),
            handoff_to=draw(st.sampled_from((None, *NAMES))),
            in_sync=" ".join(draw(st.sets(st.sampled_from(("a", "b", "c/2", "d"))))),
        )
        for partition in range(draw(st.integers(0, 4)))
    )
    members = tuple(
        replace(
            member(name, draw(st.sampled_from(MEMBER_STATES)), draw(st.sampled_from((0, 100)))),
            weight_is_set=draw(st.booleans()),
        )
        for name in draw(st.sets(st.sampled_from(NAMES)))
    )
    config = replace(
        CONFIG, replica_count=draw(st.integers(0, 2)), unclean=draw(st.sampled_from(Unclean))
    )
    return view(nodes=nodes, records=tuple(map(_once, records)), members=members, config=config)


def _once(of: PartitionRecord) -> PartitionRecord:
    """No node twice in sync, as no record ever has it."""
    if of.primary is None:
        return replace(of, in_sync=())
    others = tuple(it for it in of.in_sync if it.node != of.primary.node)
    return replace(of, in_sync=(of.primary, *others))


@st.composite
def locals_in(draw: st.DrawFn, seen: ClusterView, name: str = "a") -> Local:
    local = Local(NodeId(name), Incarnation(f"{name}-run{draw(st.integers(1, 2))}"))
    registered = seen.nodes.get(local.node)
    # Another incarnation's key is never this process's.
    is_own = registered is not None and registered.registration.incarnation == local.incarnation
    if registered is not None and is_own and draw(st.booleans()):
        local.registered(registered)
        local.contact.since_ms = draw(st.sampled_from((0, -POLICY.return_hold_ms)))
        local.contact.confirmed_ms = draw(st.sampled_from((0, 400)))
        local.fence_lifted = draw(st.booleans())
    observed = []
    for number in draw(st.sets(st.integers(0, 5))):
        partition, epoch = PartitionId(number), Epoch(draw(st.integers(1, 4)))
        own_id = copy(name, run=draw(st.integers(1, 2)), life=draw(st.integers(1, 2))).copy_id
        match draw(st.sampled_from(("drawn", "followed", "served", "closed"))):
            case "drawn":
                local.drew(partition, own_id)
            case "followed":
                local.followed(partition, Following(NodeId("b"), "b:7400", epoch), own_id)
                observed.append(PartitionReplication(number, "follower", epoch, 3, epoch, own_id))
            case "closed":
                local.opened(partition, epoch, own_id)
                local.closed(partition)
            case _:
                local.opened(partition, epoch, own_id)
                observed.append(draw(_led(number, epoch, own_id)))
                draw(_busy(local, partition))
    local.observe(observed)
    local.installed = draw(st.sampled_from((seen.revision, type(seen.revision)(0))))
    local.stopping = draw(st.booleans())
    return local


@st.composite
def _led(draw: st.DrawFn, number: int, epoch: int, own_id: str) -> PartitionReplication:
    followers = tuple(
        Follower(it, copy(it).copy_id, draw(st.integers(0, 5)), draw(st.integers(0, 3_000)), True)
        for it in draw(st.sets(st.sampled_from(("b", "c", "d"))))
    )
    return PartitionReplication(number, "primary", epoch, 5, epoch, own_id, followers, 5)


@st.composite
def _busy(draw: st.DrawFn, local: Local, partition: PartitionId) -> None:
    if draw(st.booleans()):
        local.froze(partition)
    match draw(st.sampled_from(("idle", "handing", "changing", "joining"))):
        case "handing":
            local.began_handing(partition)
        case "changing":
            local.began_changing(partition)
        case "joining":
            required = Required((copy("b"),), 1)
            local.requires(partition, required, Joining(copy("b"), 4, 0))
        case _:
            pass


@st.composite
def situations(draw: st.DrawFn) -> tuple[ClusterView, Local, int]:
    seen = draw(views())
    local = draw(locals_in(seen))
    now_ms = draw(st.integers(0, 10_000))
    local.saw(seen, now_ms, POLICY.mass_loss_hold_ms)
    return seen, local, now_ms + draw(st.integers(0, 2_000))
