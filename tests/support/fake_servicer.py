"""The methods of ``shoal.v1.Cache`` as a node of ``FakeCluster`` serves them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import code_pb2
from grpc_status import rpc_status

from fake_refusal import Refused, status
from shoal.v1 import cache_pb2
from shoal.v1.cache_pb2_grpc import CacheServicer

if TYPE_CHECKING:
    from fake_cluster import FakeNode


class Servicer(CacheServicer):
    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.cluster = node.cluster

    def Get(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self._is_copy(request.key, request.read):
            return self._serve(
                "Get", request, context, [], lambda: self._copy(request.key, request.at_least)
            )
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
            deleted = 0
            versions = []
            for key in request.keys:
                deleted += entries.pop(key, None) is not None
                self.cluster.telling.changed(key)
                self.cluster.seq += 1
                versions.append(self._version(key, self.cluster.seq))
            return cache_pb2.DelResponse(deleted=deleted, versions=versions)

        return self._serve("Del", request, context, request.keys, delete)

    def MGet(self, request: Any, context: grpc.ServicerContext) -> Any:
        def get(key: bytes) -> Any:
            if self._is_copy(key, request.read):
                at_least = (
                    request.at_least[list(request.keys).index(key)]
                    if (request.at_least)
                    else cache_pb2.Version()
                )
                return self._copy(key, at_least)
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
                            or (
                                cluster.told_revision is None
                                and cluster.revision > known
                                and not self.node.frozen.is_set()
                            )
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

    def WatchInvalidations(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.node.asked.append(("WatchInvalidations", request))
        return self.cluster.telling.watch(self.node, context)

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
            self._check_request_id(request)
            self._check_served(request)
            self.node.meet(method, context, after=False)
            for key in keys:
                moved = self._moved(key) if request.routed else None
                if moved is not None:
                    raise Refused(
                        status(moved.code, "MOVED", message=moved.message, **moved.metadata)
                    )
            with self.cluster.changed:
                answer = self._once(request, apply)
            self.node.meet(method, context, after=True)
        except Refused as refused:
            context.abort_with_status(rpc_status.to_status(refused.status))
        return answer

    def _check_request_id(self, request: Any) -> None:
        if not self.cluster.knows_request_ids and getattr(request, "request_id", b""):
            raise Refused(status(code_pb2.UNIMPLEMENTED, "NOT_SERVED", field="request_id"))

    def _once(self, request: Any, apply: Callable[[], Any]) -> Any:
        """Apply a request, unless one with its id was applied."""
        request_id = getattr(request, "request_id", b"")
        if not request_id:
            return apply()
        answer = self.cluster.answered.get(request_id)
        if answer is None:
            answer = apply()
            if getattr(answer, "applied", True):
                self.cluster.answered[request_id] = answer
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
        found = self._found(key, self.cluster.entries.get(key), self.cluster.seq)
        if found.status != cache_pb2.MISS:
            found.near_ms = self.cluster.telling.near_ms
        return found

    def _is_copy(self, key: bytes, read: int) -> bool:
        """Whether this node holds a copy that may answer by itself."""
        replicas = self.cluster.replicas.get(self.cluster.partition(key), ())
        return read == cache_pb2.READ_MODE_ANY and self.node.id in replicas

    def _copy(self, key: bytes, at_least: cache_pb2.Version) -> Any:
        """A copy answers if it has come so far, else the primary does."""
        lag = self.cluster.lagging.get(self.node.id)
        if lag is None or lag.seq < at_least.seq:
            return self._get(key)
        return self._found(key, lag.entries.get(key), lag.seq)

    def _found(self, key: bytes, found: tuple[bytes, int, int] | None, position: int) -> Any:
        if found is None:
            version = self._version(key, position)
            return cache_pb2.GetResponse(status=cache_pb2.MISS, version=version)
        value, ttl_ms, seq = found
        if value == b"\x00absent":
            return cache_pb2.GetResponse(status=cache_pb2.ABSENT, version=self._version(key, seq))
        return cache_pb2.GetResponse(
            status=cache_pb2.HIT, value=value, ttl_ms=ttl_ms, version=self._version(key, seq)
        )

    def _version(self, key: bytes, seq: int) -> cache_pb2.Version:
        return cache_pb2.Version(epoch=self.cluster.epochs[self.cluster.partition(key)], seq=seq)

    def _check_served(self, request: Any) -> None:
        """Refuse fills and tags as a node without them; take fresh times, and tell none."""
        for field in ("fill", "fill_token", "tags"):
            named = field in request.DESCRIPTOR.fields_by_name
            if named and field in {known.name for known, _ in request.ListFields()}:
                raise Refused(status(code_pb2.UNIMPLEMENTED, "NOT_SERVED", field=field))

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
        value = b"\x00absent" if request.absent else request.value
        seq = self._put(request.key, value, request.ttl_ms)
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
        self.cluster.telling.changed(key)
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
