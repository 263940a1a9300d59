"""An in-process cluster that speaks the real protos, for tests of the client.

``FakeCluster`` keeps entries in one dict per partition, so that what a test sees does not
depend on which node answers. Nodes are real gRPC servers on loopback; a test can stop
and start them, move partitions, hold topology updates back, and put faults in the way of
the next requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import status_pb2

from fake_refusal import Refused
from fake_servicer import Servicer
from fake_telling import Telling
from shoal._core.slots import partition_of, slot_of
from shoal.v1 import topology_pb2
from shoal.v1.cache_pb2_grpc import add_CacheServicer_to_server

PARTITIONS = 16


@dataclass
class Fault:
    """Meets the next requests of a method at a node, before or after they are applied."""

    method: str
    raises: Callable[[grpc.ServicerContext], None]
    times: int = 1
    after: bool = False


@dataclass
class FakeNode:
    """One gRPC server."""

    cluster: FakeCluster
    id: str
    port: int = 0
    asked: list[tuple[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    server: grpc.Server | None = None
    frozen: threading.Event = field(default_factory=threading.Event)
    """Set: it tells watchers nothing new, as after SIGSTOP."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, at the port of the last time if there was one."""
        server = grpc.server(ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
        add_CacheServicer_to_server(Servicer(self), server)
        address, credentials = f"127.0.0.1:{self.port}", self.cluster.credentials
        if credentials is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, credentials())
        assert bound
        self.port = bound
        server.start()
        self.server = server

    def stop(self) -> None:
        """Die: connections are cut, requests under way get no answer."""
        server, self.server = self.server, None
        if server is not None:
            server.stop(None).wait(5)

    def requests(self, method: str) -> list[Any]:
        """The messages of one method that came here."""
        return [message for name, message in self.asked if name == method]

    def fail_next(
        self, method: str, refusal: status_pb2.Status, *, times: int = 1, after: bool = False
    ) -> None:
        """Answer the next requests with a status; ``after``: when they are applied."""

        def refuse(context: grpc.ServicerContext) -> None:
            raise Refused(refusal)

        self.faults.append(Fault(method, refuse, times, after))

    def cut_next(self, method: str, *, after: bool = False) -> None:
        """Abort the next request as a lost connection would, without any detail."""

        def cut(context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

        self.faults.append(Fault(method, cut, 1, after))

    def hang_next(self, method: str, *, times: int = 1) -> None:
        """Do not answer the next requests until the caller gives up."""

        def hang(context: grpc.ServicerContext) -> None:
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(30)

        self.faults.append(Fault(method, hang, times))

    def freeze(self) -> None:
        """Answer nothing and close nothing for half a minute, as after SIGSTOP."""
        for method in ("Get", "Set", "Del", "Incr", "MGet", "MSet", "Touch"):
            self.hang_next(method, times=1_000_000)
        self.frozen.set()

    def meet(self, method: str, context: grpc.ServicerContext, *, after: bool) -> None:
        for fault in self.faults:
            if fault.method == method and fault.after == after and fault.times:
                fault.times -= 1
                fault.raises(context)
                return


@dataclass
class Lag:
    """What the copies of a node that applies nothing hold."""

    entries: dict[bytes, tuple[bytes, int, int]]
    seq: int


class FakeCluster:
    """Nodes, and who owns what. Every change is a new revision that watchers are told."""

    def __init__(
        self, node_count: int, credentials: Callable[[], grpc.ServerCredentials] | None = None
    ) -> None:
        """``credentials``: of nodes that start, which speak TLS then."""
        self.credentials = credentials
        self.changed = threading.Condition()
        self.revision = 1
        self.entries: dict[bytes, tuple[bytes, int, int]] = {}
        self.seq = 0
        self.nodes: dict[str, FakeNode] = {}
        self.live: set[str] = set()
        self.told_revision: int | None = None
        self.watchers = 0
        self.replicas: dict[int, set[str]] = {}
        self.lagging: dict[str, Lag] = {}
        self.answered: dict[bytes, Any] = {}
        self.knows_request_ids = True
        for number in range(node_count):
            self.add(f"n{number}")
        self.owners = [f"n{number % node_count}" for number in range(PARTITIONS)]
        self.epochs = [1] * PARTITIONS
        self.telling = Telling(self, PARTITIONS)

    @property
    def seeds(self) -> list[str]:
        return [node.address for node in self.nodes.values()]

    @property
    def url(self) -> str:
        scheme = "shoal" if self.credentials is None else "shoals"
        return f"{scheme}://{','.join(self.seeds)}"

    def add(self, node_id: str) -> FakeNode:
        node = FakeNode(self, node_id)
        node.start()
        with self.changed:
            self.nodes[node_id] = node
            self.live.add(node_id)
            self._tell()
        return node

    def move(self, partition: int, node_id: str) -> None:
        with self.changed:
            before, self.owners[partition] = self.owners[partition], node_id
            self.epochs[partition] += 1
            self.telling.moved(partition, before)
            self._tell()

    def replicate(self, *node_ids: str) -> None:
        """Every partition has in-sync copies at these nodes, besides its primary."""
        with self.changed:
            for partition in range(PARTITIONS):
                self.replicas[partition] = set(node_ids) - {self.owners[partition]}
            self._tell()

    def freeze_copies(self, node_id: str) -> None:
        """The node's copies apply nothing from now on, until ``catch_up``."""
        with self.changed:
            self.lagging[node_id] = Lag(dict(self.entries), self.seq)

    def catch_up(self, node_id: str) -> None:
        with self.changed:
            self.lagging.pop(node_id, None)

    def leave(self, node_id: str) -> None:
        """The node's lease ends; its partitions go to the others."""
        with self.changed:
            self.live.discard(node_id)
            heirs = sorted(self.live)
            for partition, owner in enumerate(self.owners):
                if owner == node_id:
                    self.owners[partition] = heirs[partition % len(heirs)]
                    self.epochs[partition] += 1
                    self.telling.moved(partition, owner)
            self._tell()

    def hold_updates(self) -> None:
        """Tell watchers nothing newer than now, until ``release_updates``."""
        with self.changed:
            self.told_revision = self.revision

    def release_updates(self) -> None:
        with self.changed:
            self.told_revision = None
            self.changed.notify_all()

    def partition(self, key: bytes) -> int:
        return partition_of(slot_of(key), PARTITIONS)

    def owner(self, key: bytes | str) -> FakeNode:
        wire = key.encode() if isinstance(key, str) else key
        return self.nodes[self.owners[self.partition(wire)]]

    def other(self, *but: FakeNode) -> FakeNode:
        return next(node for node in self.nodes.values() if node not in but)

    def key_owned_by(self, node: FakeNode, prefix: str = "key") -> str:
        return next(
            key
            for key in (f"{prefix}:{number}" for number in range(10_000))
            if self.owner(key) is node
        )

    def topology(self) -> topology_pb2.Topology:
        return topology_pb2.Topology(
            cluster="fake",
            revision=self.revision,
            complete=True,
            partition_count=PARTITIONS,
            nodes=[
                topology_pb2.Node(id=node.id, address=node.address, weight=100)
                for node in self.nodes.values()
                if node.id in self.live
            ],
            partitions=[
                topology_pb2.Partition(
                    id=partition,
                    epoch=epoch,
                    primary=owner,
                    in_sync=[owner, *sorted(self.replicas.get(partition, ()))],
                )
                for partition, (epoch, owner) in enumerate(
                    zip(self.epochs, self.owners, strict=True)
                )
            ],
        )

    def stop(self) -> None:
        for node in self.nodes.values():
            node.stop()

    def _tell(self) -> None:
        self.revision += 1
        self.changed.notify_all()
