"""One process of callers: threads that do what ``mixture`` draws, until told to stop.

Answers are checked as far as a cache allows: what is read of a key is a piece of the one
payload, so a value that was never written is noticed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc

from bench.soak import mixture
from bench.soak.mixture import Deed, Keys
from shoal.v1 import cache_pb2, cache_pb2_grpc

_OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    # Each channel a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
)
_DEADLINE_SECONDS = 30.0
_REQUESTS_IN_FLIGHT = 8
_CHECKED_SHARE = 0.05
# What a node at its bounds may say, and one that cannot reach etcd in time because this
# load starves it; everything else is a failure of the soak.
_EXPECTED = frozenset(
    {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process of callers is to do."""

    address: str
    seed: int
    threads: int
    keys: Keys


class WrongAnswer(Exception):
    """A node answered what nobody wrote, or failed for a reason that it must not have."""


def payload_of(seed: int) -> bytes:
    """What all values are cut out of; incompressible, so that its places differ."""
    return Random(seed).randbytes(2 * mixture.VALUE_BYTES_MAX)


def call(orders: Orders, counted: Any, stop: Any, wrong: Any) -> None:
    """Run the threads until ``stop`` is set. ``counted``: a shared number of operations.
    ``wrong``: a queue for the sentence of each failure."""
    payload = payload_of(0)
    threads = [
        threading.Thread(
            target=_run, args=(orders, thread, payload, counted, stop, wrong), daemon=True
        )
        for thread in range(orders.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run(orders: Orders, thread: int, payload: bytes, counted: Any, stop: Any, wrong: Any) -> None:
    caller = _Caller(orders, Random(f"{orders.seed}/{thread}"), payload)
    try:
        while not stop.is_set():
            done = caller.step()
            with counted.get_lock():
                counted.value += done
    except (WrongAnswer, grpc.RpcError) as error:
        wrong.put(f"seed {orders.seed}, thread {thread}: {error}")
    finally:
        caller.channel.close()


class _Caller:
    def __init__(self, orders: Orders, rng: Random, payload: bytes) -> None:
        self._address = orders.address
        self._keys = orders.keys
        self._rng = rng
        self._payload = payload
        self._connect()

    def _connect(self) -> None:
        self.channel = grpc.insecure_channel(self._address, options=_OPTIONS)
        self._stub = cache_pb2_grpc.CacheStub(self.channel)

    def step(self) -> int:
        """Do one thing; return how many keys it was about."""
        drawn = mixture.deed(self._rng)
        try:
            return self._do(drawn)
        except grpc.RpcError as error:
            if error.code() not in _EXPECTED:
                raise WrongAnswer(f"{drawn.name}: {error.code()} {error.details()}") from error
            return 1

    def _do(self, drawn: Deed) -> int:
        match drawn:
            case Deed.MSET_LARGE:
                return self._set_many()
            case Deed.MGET_LARGE:
                return self._get_many()
            case Deed.EXECUTE:
                return self._execute()
            case Deed.RECONNECT:
                return self._reconnect()
            case _:
                return self._do_one(drawn)

    def _do_one(self, drawn: Deed) -> int:
        rng, stub, key = self._rng, self._stub, self._keys.any(self._rng)
        match drawn:
            case Deed.SET:
                stub.Set(self._set_of(key), timeout=_DEADLINE_SECONDS)
            case Deed.OVERWRITE_HOT:
                stub.Set(self._set_of(self._keys.any_hot(rng)), timeout=_DEADLINE_SECONDS)
            case Deed.GET:
                read = stub.Get(cache_pb2.GetRequest(key=key), timeout=_DEADLINE_SECONDS)
                self._check(read)
            case Deed.DELETE:
                doomed = [self._keys.any(rng) for _ in range(rng.randint(1, 50))]
                stub.Del(cache_pb2.DelRequest(keys=doomed), timeout=_DEADLINE_SECONDS)
            case Deed.INCR:
                number = b"counter:%d" % rng.randrange(10_000)
                stub.Incr(cache_pb2.IncrRequest(key=number, delta=1), timeout=_DEADLINE_SECONDS)
            case Deed.TOUCH:
                touch = cache_pb2.TouchRequest(key=key, ttl_ms=mixture.ttl_ms(rng))
                stub.Touch(touch, timeout=_DEADLINE_SECONDS)
        return 1

    def _get_many(self) -> int:
        keys = [self._keys.any(self._rng) for _ in range(self._rng.randint(100, 1000))]
        for entry in self._stub.MGet(
            cache_pb2.MGetRequest(keys=keys), timeout=_DEADLINE_SECONDS
        ).entries:
            self._check(entry)
        return len(keys)

    def _reconnect(self) -> int:
        if self._rng.random() < 0.5:
            self._stub.Set.future(
                self._set_of(self._keys.any(self._rng)), timeout=_DEADLINE_SECONDS
            )
        self.channel.close()
        self._connect()
        return 1

    def _set_of(self, key: bytes, size: int | None = None) -> cache_pb2.SetRequest:
        size = mixture.value_bytes(self._rng) if size is None else size
        (value,) = mixture.pieces(self._payload, [size], self._rng)
        return cache_pb2.SetRequest(key=key, value=value, ttl_ms=mixture.ttl_ms(self._rng))

    def _set_many(self) -> int:
        sizes = mixture.batch_sizes(self._rng)
        entries = [self._set_of(self._keys.any(self._rng), size) for size in sizes]
        self._stub.MSet(cache_pb2.MSetRequest(entries=entries), timeout=_DEADLINE_SECONDS)
        return len(sizes)

    def _execute(self) -> int:
        count = 0

        def requests() -> Iterator[cache_pb2.ExecuteRequest]:
            nonlocal count
            for _ in range(_REQUESTS_IN_FLIGHT):
                sizes = mixture.batch_sizes(self._rng)
                operations = []
                for size in sizes:
                    key = self._keys.any(self._rng)
                    if self._rng.random() < 0.5:
                        operations.append(cache_pb2.Operation(set=self._set_of(key, size)))
                    else:
                        operations.append(cache_pb2.Operation(get=cache_pb2.GetRequest(key=key)))
                count += len(operations)
                yield cache_pb2.ExecuteRequest(operations=operations)

        for response in self._stub.Execute(requests(), timeout=_DEADLINE_SECONDS):
            for result in response.results:
                if result.HasField("get"):
                    self._check(result.get)
        return count

    def _check(self, entry: cache_pb2.GetResponse) -> None:
        # Looking a value up in the payload is dear; of many answers one is looked at.
        if entry.status != cache_pb2.HIT or self._rng.random() > _CHECKED_SHARE:
            return
        if entry.value not in self._payload:
            raise WrongAnswer(f"{len(entry.value)} bytes were read that nobody wrote")
