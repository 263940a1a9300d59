"""Callers that are known by certificates, and nodes among themselves, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from admin_process import AdminInThread
from certificates import LOOPBACK, Authority, Identity
from cluster_views import CONFIG, live, member, view
from shoal.v1 import admin_pb2, admin_pb2_grpc, cache_pb2, cache_pb2_grpc, topology_pb2
from shoal_coordinator.access import policy
from shoal_coordinator.access.bearer import digest_of, metadata_of
from shoal_coordinator.access.policy import Operation, Policy, Role, Token
from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsContents
from shoal_node._bridge import DataPlane
from shoal_node.data_plane import DataPlaneSettings, DataPlaneTls

PARTITIONS = 4
EVERY_KEY = frozenset({b""})
ROLES = (
    Role("reader", frozenset({Operation.READ}), EVERY_KEY),
    Role("writer", frozenset({Operation.WRITE}), EVERY_KEY),
    Role("node", frozenset({Operation.PEER})),
    Role("operator", frozenset({Operation.ADMIN})),
)
READS = "spiffe://example.org/app"
WRITES = "*.writers.example.org"
OPERATES = "operator.example.org"
POLICY = Policy(
    ROLES,
    (Token("t", digest_of("a token"), ("writer",)), Token("n", digest_of("node"), ("node",))),
    (
        policy.Identity(READS, ("reader",)),
        policy.Identity(WRITES, ("writer",)),
        policy.Identity(OPERATES, ("operator",)),
        policy.Identity("127.0.0.1", ("node",)),
        policy.Identity("nobody looks here", ("node",)),
    ),
)
SIGNS = Authority()
OWN = SIGNS.issue(*LOOPBACK)


def credentials(identity: Identity | None) -> grpc.ChannelCredentials:
    if identity is None:
        return grpc.ssl_channel_credentials(SIGNS.certificate)
    return grpc.ssl_channel_credentials(SIGNS.certificate, identity.key, identity.certificate)


def made(node: str, tls: DataPlaneTls | None = None) -> DataPlane:
    return DataPlane(
        DataPlaneSettings(
            node_id=node,
            listen="127.0.0.1:0",
            partition_count=PARTITIONS,
            maxmemory_bytes=64 << 20,
            worker_threads=1,
            tls=tls,
        )
    )


def serve(plane: DataPlane, owners: Mapping[int, str], addresses: Mapping[str, str]) -> None:
    """Give it a lease and a topology."""
    plane.set_lease_deadline(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 3600 * 10**9)
    plane.install_topology(
        topology_pb2.Topology(
            cluster="c",
            revision=1,
            complete=True,
            partition_count=PARTITIONS,
            nodes=[topology_pb2.Node(id=it, address=at) for it, at in addresses.items()],
            partitions=[
                topology_pb2.Partition(id=it, epoch=1, primary=owner)
                for it, owner in owners.items()
            ],
        ).SerializeToString()
    )


def reason_of(call: Callable[..., Any], *asked: Any, **beside: Any) -> str:
    """Why it was refused; empty: it was not."""
    try:
        call(*asked, timeout=10, **beside)
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        status = rpc_status.from_call(error)
        for detail in () if status is None else status.details:
            detail.Unpack(info)
        if not info.reason:
            raise
        assert info.metadata["outcome"] == "NOT_APPLIED"
        return str(info.reason)
    return ""


GET = cache_pb2.GetRequest(key=b"k")
SET = cache_pb2.SetRequest(key=b"k", value=b"v")


def test_names_of_verified_certificates_have_roles() -> None:
    plane = made("me", DataPlaneTls(OWN.certificate, OWN.key, SIGNS.certificate))
    plane.set_access(*POLICY.table())
    address = plane.start()
    serve(plane, dict.fromkeys(range(PARTITIONS), "me"), {"me": address})
    for partition in range(PARTITIONS):
        plane.open_partition(partition, 1, "i-c")

    def may(identity: Identity | None, token: str | None = None) -> tuple[str, str]:
        with grpc.secure_channel(address, credentials(identity)) as channel:
            stub, shown = cache_pb2_grpc.CacheStub(channel), metadata_of(token)
            return reason_of(stub.Get, GET, metadata=shown), reason_of(
                stub.Set, SET, metadata=shown
            )

    denied, nobody = "PERMISSION_DENIED", "UNAUTHENTICATED"
    assert may(None) == (nobody, nobody)
    assert may(SIGNS.issue(READS)) == ("", denied)
    assert may(SIGNS.issue(READS, WRITES)) == ("", "")
    assert may(SIGNS.issue(READS), "a token") == ("", "")
    assert may(SIGNS.issue(READS), "another") == (nobody, nobody)
    # No name stands for another: not the one that a wildcard would match, nor the common
    # name, nor an address.
    for name in ("one.writers.example.org", "else.example.org", "127.0.0.1"):
        assert may(SIGNS.issue(name)) == (nobody, nobody)
    assert may(SIGNS.issue(WRITES)) == (denied, "")
    plane.stop(0)


def test_a_coordinator_knows_names_too() -> None:
    contents = TlsContents(OWN.certificate, OWN.key, SIGNS.certificate, "localhost")
    tls = LiveTls(lambda: contents, TlsClients.CERTIFICATE)
    seen = view(nodes=(live("a"),), members=(member("a"),), config=CONFIG)
    with AdminInThread(seen, tls, Access(POLICY)) as admin:
        for name, reason in (
            (OPERATES, ""),
            (READS, "PERMISSION_DENIED"),
            ("else.example.org", "UNAUTHENTICATED"),
        ):
            with grpc.secure_channel(admin.address, credentials(SIGNS.issue(name))) as channel:
                stub = admin_pb2_grpc.AdminStub(channel)
                told = reason_of(stub.GetClusterStatus, admin_pb2.GetClusterStatusRequest())
                assert told == reason


@dataclass
class Two:
    """One node that owns nothing, and one that owns everything, both with an access file."""

    planes: dict[str, DataPlane] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def two() -> Iterator[Two]:
    two = Two()
    for node in ("proxy", "owner"):
        two.planes[node] = made(node)
        two.planes[node].set_access(*POLICY.table())
        two.addresses[node] = two.planes[node].start()
    for plane in two.planes.values():
        serve(plane, dict.fromkeys(range(PARTITIONS), "owner"), two.addresses)
    for partition in range(PARTITIONS):
        two.planes["owner"].open_partition(partition, 1, "i-c")
    yield two
    for plane in two.planes.values():
        plane.stop(0)


def test_what_is_sent_on_is_sent_under_the_nodes_own_name(two: Two, eventually) -> None:
    writes = metadata_of("a token")
    with grpc.insecure_channel(two.addresses["proxy"]) as channel:
        stub = cache_pb2_grpc.CacheStub(channel)
        # The owner does not know who asks: that is no refusal of the caller.
        assert reason_of(stub.Set, SET, metadata=writes) == "FORWARD_FAILED"
        assert reason_of(stub.Get, GET, metadata=writes) == "PERMISSION_DENIED"
        two.planes["proxy"].set_peer_token("a token")
        assert reason_of(stub.Set, SET, metadata=writes) == "", "whose role is to write"
        two.planes["proxy"].set_peer_token("node")
        assert reason_of(stub.Set, SET, metadata=writes) == ""
        assert reason_of(stub.Get, GET, metadata=writes) == "PERMISSION_DENIED"

    # To follow, it has to be a node.
    follow = two.planes["proxy"].follow_partition

    def follows() -> bool:
        (copy,) = two.planes["owner"].replication([0])
        return any(it.node == "proxy" and it.is_streaming for it in copy.followers)

    def refused() -> int:
        return two.planes["owner"].snapshot().failures.get("PERMISSION_DENIED", 0)

    before = refused()
    two.planes["proxy"].set_peer_token("a token")
    follow(0, "owner", two.addresses["owner"], 1, "p-c")
    eventually(lambda: refused() > before + 1, what="it is turned away, and tries again")
    assert not follows()
    two.planes["proxy"].set_peer_token("node")
    eventually(follows, what="the node follows")
    with pytest.raises(ValueError, match="cannot travel"):
        two.planes["proxy"].set_peer_token("line\nbreak")
    assert follows()
