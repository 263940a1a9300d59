"""An in-process cluster that speaks the real protos, for tests of the client.

``FakeCluster`` keeps entries in one dict per partition, so that what a test sees does not
depend on which node answers. Nodes are real gRPC servers on loopback; a test can stop
and start them, move partitions, hold topology updates back, and put faults in the way of
the next requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shoal._core.slots import partition_of, slot_of
from shoal.v1 import cache_pb2, topology_pb2
from shoal.v1.cache_pb2_grpc import CacheServicer, add_CacheServicer_to_server

PARTITIONS = 16


def status(
    code: int,
    reason: str,
    *,
    outcome: str = "NOT_APPLIED",
    message: str = "a sentence",
    retry_after_ms: int | None = None,
    **metadata: str,
) -> status_pb2.Status:
    """What a node answers when it fails a request."""
    details = [
        error_details_pb2.ErrorInfo(
            domain="shoal", reason=reason, metadata={"outcome": outcome, **metadata}
        )
    ]
    if retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_after_ms)
        details.append(retry)
    packed = []
    for detail in details:
        any_message = AnyMessage()
        any_message.Pack(detail)
        packed.append(any_message)
    return status_pb2.Status(code=code, message=message, details=packed)


class Refused(Exception):
    def __init__(self, refusal: status_pb2.Status) -> None:
        super().__init__(refusal.message)
        self.status = refusal


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

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, at the port of the last time if there was one."""
        server = grpc.server(ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
        add_CacheServicer_to_server(Servicer(self), server)
        bound = server.add_insecure_port(f"127.0.0.1:{self.port}")
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

    def meet(self, method: str, context: grpc.ServicerContext, *, after: bool) -> None:
        for fault in self.faults:
            if fault.method == method and fault.after == after and fault.times:
                fault.times -= 1
                fault.raises(context)
                return


class FakeCluster:
    """Nodes, and who owns what. Every change is a new revision that watchers are told."""

    def __init__(self, node_count: int) -> None:
        self.changed = threading.Condition()
        self.revision = 1
        self.entries: dict[bytes, tuple[bytes, int, int]] = {}
        self.seq = 0
        self.nodes: dict[str, FakeNode] = {}
        self.live: set[str] = set()
        self.told_revision: int | None = None
        self.watchers = 0
        for number in range(node_count):
            self.add(f"n{number}")
        self.owners = [f"n{number % node_count}" for number in range(PARTITIONS)]
        self.epochs = [1] * PARTITIONS

    @property
    def seeds(self) -> list[str]:
        return [node.address for node in self.nodes.values()]

    @property
    def url(self) -> str:
        return f"shoal://{','.join(self.seeds)}"

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
            self.owners[partition] = node_id
            self.epochs[partition] += 1
            self._tell()

    def leave(self, node_id: str) -> None:
        """The node's lease ends; its partitions go to the others."""
        with self.changed:
            self.live.discard(node_id)
            heirs = sorted(self.live)
            for partition, owner in enumerate(self.owners):
                if owner == node_id:
                    self.owners[partition] = heirs[partition % len(heirs)]
                    self.epochs[partition] += 1
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
                topology_pb2.Partition(id=partition, epoch=epoch, primary=owner, in_sync=[owner])
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


class Servicer(CacheServicer):
    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.cluster = node.cluster

    def Get(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Get", request, context, [request.key], lambda: self._get(request.key))

    def Set(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Set", request, context, [request.key], lambda: self._set(request))

    def Touch(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Touch", request, context, [request.key], lambda: self._touch(request))

    def Incr(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Incr", request, context, [request.key], lambda: self._incr(request))

    def Del(self, request: Any, context: grpc.ServicerContext) -> Any:
        def delete() -> Any:
            entries = self.cluster.entries
            deleted = sum(entries.pop(key, None) is not None for key in request.keys)
            return cache_pb2.DelResponse(deleted=deleted)

        return self._serve("Del", request, context, request.keys, delete)

    def MGet(self, request: Any, context: grpc.ServicerContext) -> Any:
        def get(key: bytes) -> Any:
            moved = self._moved(key) if request.routed else None
            if moved is not None:
                return cache_pb2.GetResponse(status=cache_pb2.FAILED, error=moved)
            return self._get(key)

        return self._serve(
            "MGet",
            request,
            context,
            [],
            lambda: cache_pb2.MGetResponse(entries=[get(key) for key in request.keys]),
        )

    def MSet(self, request: Any, context: grpc.ServicerContext) -> Any:
        def set_(entry: Any) -> Any:
            moved = self._moved(entry.key) if request.routed else None
            return cache_pb2.SetResponse(error=moved) if moved is not None else self._set(entry)

        return self._serve(
            "MSet",
            request,
            context,
            [],
            lambda: cache_pb2.MSetResponse(results=[set_(entry) for entry in request.entries]),
        )

    def WatchTopology(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        cluster = self.cluster
        known = request.known_revision
        self.node.asked.append(("WatchTopology", request))
        with cluster.changed:
            cluster.watchers += 1
        ended = threading.Event()

        def end() -> None:
            ended.set()
            with cluster.changed:
                cluster.changed.notify_all()

        context.add_callback(end)
        try:
            while not ended.is_set():
                with cluster.changed:
                    cluster.changed.wait_for(
                        lambda known=known: (
                            ended.is_set()
                            or (cluster.told_revision is None and cluster.revision > known)
                        ),
                        timeout=30,
                    )
                    if ended.is_set():
                        return
                    update = cluster.topology()
                known = update.revision
                yield cache_pb2.WatchTopologyResponse(topology=update)
        finally:
            with cluster.changed:
                cluster.watchers -= 1

    def _serve(
        self,
        method: str,
        request: Any,
        context: grpc.ServicerContext,
        keys: Sequence[bytes],
        apply: Callable[[], Any],
    ) -> Any:
        self.node.asked.append((method, request))
        try:
            self.node.meet(method, context, after=False)
            for key in keys:
                moved = self._moved(key) if request.routed else None
                if moved is not None:
                    raise Refused(
                        status(moved.code, "MOVED", message=moved.message, **moved.metadata)
                    )
            with self.cluster.changed:
                answer = apply()
            self.node.meet(method, context, after=True)
        except Refused as refused:
            context.abort_with_status(rpc_status.to_status(refused.status))
        return answer

    def _moved(self, key: bytes) -> cache_pb2.KeyError | None:
        partition = self.cluster.partition(key)
        owner = self.cluster.nodes[self.cluster.owners[partition]]
        if owner is self.node:
            return None
        return cache_pb2.KeyError(
            code=code_pb2.FAILED_PRECONDITION,
            reason="MOVED",
            message=f"partition {partition} is owned by {owner.id}",
            metadata={
                "owner": owner.id,
                "address": owner.address,
                "epoch": str(self.cluster.epochs[partition]),
                "partition": str(partition),
                "outcome": "NOT_APPLIED",
            },
        )

    def _get(self, key: bytes) -> Any:
        found = self.cluster.entries.get(key)
        if found is None:
            return cache_pb2.GetResponse(status=cache_pb2.MISS)
        value, ttl_ms, seq = found
        if value == b"\x00absent":
            return cache_pb2.GetResponse(status=cache_pb2.ABSENT, version=self._version(key, seq))
        return cache_pb2.GetResponse(
            status=cache_pb2.HIT, value=value, ttl_ms=ttl_ms, version=self._version(key, seq)
        )

    def _version(self, key: bytes, seq: int) -> cache_pb2.Version:
        return cache_pb2.Version(epoch=self.cluster.epochs[self.cluster.partition(key)], seq=seq)

    def _set(self, request: Any) -> Any:
        if len(request.value) > 1024 * 1024:
            return self._too_large(request)
        found = self.cluster.entries.get(request.key)
        test = request.condition.WhichOneof("test")
        holds = {
            None: True,
            "if_absent": found is None,
            "if_present": found is not None,
            "if_version": found is not None and found[2] == request.condition.if_version.seq,
        }[test]
        if not holds:
            standing = self._version(request.key, found[2]) if found else None
            return cache_pb2.SetResponse(applied=False, version=standing)
        seq = self._put(request.key, request.value, request.ttl_ms)
        return cache_pb2.SetResponse(applied=True, version=self._version(request.key, seq))

    def _too_large(self, request: Any) -> Any:
        error = cache_pb2.KeyError(
            code=code_pb2.INVALID_ARGUMENT,
            reason="VALUE_TOO_LARGE",
            message="values hold up to 1 MiB",
            metadata={"outcome": "NOT_APPLIED"},
        )
        return cache_pb2.SetResponse(error=error)

    def _put(self, key: bytes, value: bytes, ttl_ms: int) -> int:
        self.cluster.seq += 1
        self.cluster.entries[key] = (value, ttl_ms, self.cluster.seq)
        return self.cluster.seq

    def _touch(self, request: Any) -> Any:
        found = self.cluster.entries.get(request.key)
        if found is None:
            return cache_pb2.TouchResponse(applied=False)
        self.cluster.entries[request.key] = (found[0], request.ttl_ms, found[2])
        return cache_pb2.TouchResponse(applied=True, version=self._version(request.key, found[2]))

    def _incr(self, request: Any) -> Any:
        found = self.cluster.entries.get(request.key)
        try:
            before = int(found[0]) if found else request.initial
        except ValueError as error:
            raise Refused(status(code_pb2.INVALID_ARGUMENT, "NOT_AN_INTEGER")) from error
        ttl_ms = found[1] if found else request.ttl_ms
        value = before + request.delta
        seq = self._put(request.key, str(value).encode(), ttl_ms)
        return cache_pb2.IncrResponse(value=value, version=self._version(request.key, seq))
