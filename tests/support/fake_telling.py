"""How nodes of ``FakeCluster`` grant answers, and tell of changes to what they granted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from shoal.v1 import cache_pb2

if TYPE_CHECKING:
    from fake_cluster import FakeCluster, FakeNode

_GONE = None


class Telling:
    """Of a whole cluster: every change is told to whoever listens to the partition's owner."""

    def __init__(self, cluster: FakeCluster, partitions: int) -> None:
        self.near_ms = 0
        """Granted with every answer of a primary."""
        self.silent: set[str] = set()
        """Nodes that refuse to tell."""
        self._cluster = cluster
        self._lock = threading.Lock()
        self._sequences = [0] * partitions
        self._listeners: dict[str, list[SimpleQueue[Any]]] = {}

    def listeners(self, node_id: str) -> int:
        """How many streams a node has open."""
        with self._lock:
            return len(self._listeners.get(node_id, ()))

    def changed(self, key: bytes) -> None:
        partition = self._cluster.partition(key)
        with self._lock:
            self._sequences[partition] += 1
            self._tell(self._cluster.owners[partition], self._position(partition, [key]))

    def moved(self, partition: int, before: str) -> None:
        """Another node is its owner, under a new epoch."""
        with self._lock:
            self._sequences[partition] = 0
            self._tell(before, cache_pb2.WatchInvalidationsResponse(partition=partition))
            self._tell(self._cluster.owners[partition], self._position(partition))

    def skip(self, key: bytes) -> None:
        """Lose what should have been told of a change."""
        with self._lock:
            self._sequences[self._cluster.partition(key)] += 1

    def end(self, node_id: str, refusal: status_pb2.Status) -> None:
        """End every stream of a node."""
        with self._lock:
            self._tell(node_id, refusal)

    def watch(self, node: FakeNode, context: grpc.ServicerContext) -> Iterator[Any]:
        told: SimpleQueue[Any] = SimpleQueue()
        if node.id in self.silent:
            context.abort(grpc.StatusCode.UNAVAILABLE, "silent")
        with self._lock:
            self._listeners.setdefault(node.id, []).append(told)
            for partition, owner in enumerate(self._cluster.owners):
                if owner == node.id:
                    told.put(self._position(partition))
        context.add_callback(lambda: told.put(_GONE))
        try:
            while (update := told.get()) is not _GONE:
                if isinstance(update, status_pb2.Status):
                    context.abort_with_status(rpc_status.to_status(update))
                yield update
        finally:
            with self._lock:
                self._listeners[node.id].remove(told)

    def _position(self, partition: int, keys: Any = ()) -> cache_pb2.WatchInvalidationsResponse:
        return cache_pb2.WatchInvalidationsResponse(
            partition=partition,
            epoch=self._cluster.epochs[partition],
            sequence=self._sequences[partition],
            keys=keys,
        )

    def _tell(self, node_id: str, update: Any) -> None:
        for told in self._listeners.get(node_id, ()):
            told.put(update)
