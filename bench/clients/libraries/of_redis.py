"""redis-py with hiredis, as its documentation sets it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any

import redis
import redis.asyncio

from bench.clients.libraries.library import Library


class _Blocking:
    def __init__(self, client: Any) -> None:
        self.get = client.get
        self.set = client.set
        self._mget = client.mget

    def get_many(self, keys: Sequence[str]) -> Sequence[object]:
        values: Sequence[object] = self._mget(keys)
        return values


@contextmanager
def _blocking(address: str) -> Iterator[_Blocking]:
    host, _, port = address.rpartition(":")
    with redis.Redis(host=host, port=int(port)) as client:
        yield _Blocking(client)


@asynccontextmanager
async def _asynchronous(address: str) -> AsyncIterator[Any]:
    host, _, port = address.rpartition(":")
    async with redis.asyncio.Redis(host=host, port=int(port)) as client:
        yield client


LIBRARY = Library(f"{version('redis')}, hiredis {version('hiredis')}", _blocking, _asynchronous)
