"""Performs operations by blocking the thread that asks.

Any number of threads may ask at once. One daemon thread watches the topology, and where
nodes grant answers to a near cache one listens to each of them; they hold no reference to the
client, so that a client that is merely dropped is collected, and then closes them. The first
starts with the first call, so that a client may be made before a fork.
"""

from __future__ import annotations

import os
from random import Random
from threading import RLock
from time import monotonic, sleep
from typing import Any, TypeVar

import grpc

from shoal._core.core import Core
from shoal._core.effects import AwaitTopology, Call, Effect, Listen, Operation, Parallel, Sleep
from shoal._core.failures import Code, Failure
from shoal._core.identity import draw_request_id
from shoal._core.in_flight import InFlight
from shoal._core.settings import Settings
from shoal._drivers.blocking_listener import BlockingListener
from shoal._drivers.blocking_pool import BlockingPool
from shoal._drivers.blocking_watcher import BlockingWatcher
from shoal._drivers.status import closed_channel, failure_of
from shoal._errors import ClientClosed, ForkedClient

_T = TypeVar("_T")
_UNUSED = 0


class BlockingDriver:
    """The sync client's engine."""

    def __init__(self, settings: Settings) -> None:
        self.core = Core(settings, clock=monotonic, rng=Random(), draw_id=draw_request_id)  # noqa: S311
        self.in_flight = InFlight()
        self.pool = BlockingPool(settings)
        self._watcher = BlockingWatcher(self.core, self.pool, self.in_flight)
        self._listener = BlockingListener(self.core, self.pool)
        self._pid = _UNUSED
        self._starting = RLock()
        self._closed = False

    def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        if self._pid != os.getpid() or self._closed:
            self._begin()
        try:
            effect = next(operation)
            while True:
                # The first branch is the hot path.
                answer = self._call(effect) if type(effect) is Call else self._other(effect)
                effect = operation.send(answer)
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            operation.close()

    def close(self) -> None:
        """End the threads and all channels; calls under way fail. Idempotent."""
        if self._pid not in (_UNUSED, os.getpid()):
            return  # What was inherited by a fork belongs to the parent.
        self._closed = True
        self._listener.close()
        self._watcher.close()
        self.pool.close()

    def _begin(self) -> None:
        if self._closed:
            raise ClientClosed("this client is closed: make a new one")
        if self._pid != _UNUSED:
            raise ForkedClient(
                f"this client was first used in process {self._pid} and cannot be used in its "
                f"child {os.getpid()}: make one client per process, after the fork"
            )
        with self._starting:
            if self._pid == _UNUSED and not self._closed:
                self._watcher.start()
                self._pid = os.getpid()

    def _call(self, call: Call) -> Any:
        ticket = self.in_flight.begin(monotonic())
        try:
            return self.pool.method(call.address, call.method)(call.request, call.timeout_seconds)
        except grpc.RpcError as error:
            return self._failure(error, call.address)
        except ValueError:
            # grpc's word for a closed channel.
            return self._closed_channel(call.address)
        finally:
            self.in_flight.end(ticket)

    def _other(self, effect: Effect) -> Any:
        if isinstance(effect, Parallel):
            return self._parallel(effect)
        if isinstance(effect, Sleep):
            sleep(effect.seconds)
        elif isinstance(effect, AwaitTopology):
            self._watcher.wait_for_topology(effect.timeout_seconds)
        elif isinstance(effect, Listen):
            self._listener.listen(effect.address)
        else:
            self._watcher.refresh()
        return None

    def _parallel(self, parallel: Parallel) -> list[Any]:
        pending: list[Any] = []
        ticket = self.in_flight.begin(monotonic())
        try:
            for call in parallel.calls:
                pending.append(self._send(call))  # noqa: PERF401 - what was sent is cancelled
            return [
                self._receive(future, call.address)
                for future, call in zip(pending, parallel.calls, strict=True)
            ]
        except BaseException:
            for future in pending:
                if not isinstance(future, Failure):
                    future.cancel()
            raise
        finally:
            self.in_flight.end(ticket)

    def _send(self, call: Call) -> Any:
        method = self.pool.method(call.address, call.method)
        try:
            return method.future(call.request, call.timeout_seconds)
        except ValueError:
            return self._closed_channel(call.address)

    def _receive(self, future: Any, address: str) -> Any:
        if isinstance(future, Failure):
            return future
        try:
            return future.result()
        except grpc.FutureCancelledError:
            return self._failure(future, address)
        except grpc.RpcError as error:
            return self._failure(error, address)

    def _failure(self, error: grpc.RpcError, address: str) -> Failure:
        if self._closed:
            raise ClientClosed("this client was closed while the call was under way")
        failure = failure_of(error)
        if failure.code is Code.UNAVAILABLE:
            self.pool.renew(address)
        return failure

    def _closed_channel(self, address: str) -> Failure:
        if self._closed:
            raise ClientClosed("this client was closed while the call was under way")
        return closed_channel(address)
