"""Shoal's own client, over grpcio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version

import shoal
import shoal.asyncio
from bench.clients.libraries.library import Library


class _Blocking:
    def __init__(self, client: shoal.Client) -> None:
        self.get = client.get
        self.set = client.set
        self._get_many = client.get_many

    def get_many(self, keys: Sequence[str]) -> Sequence[object]:
        return list(self._get_many(keys).values())


@contextmanager
def _blocking(address: str) -> Iterator[_Blocking]:
    with shoal.Client([address], timeout="10s") as client:
        client.topology()
        yield _Blocking(client)


@contextmanager
def _near(address: str) -> Iterator[_Blocking]:
    near = shoal.NearCache(max_bytes=64 * 1024 * 1024, without_grant="1h")
    with shoal.Client([address], timeout="10s", near=near) as client:
        client.topology()
        yield _Blocking(client)


@asynccontextmanager
async def _asynchronous(address: str) -> AsyncIterator[shoal.asyncio.Client]:
    async with shoal.asyncio.Client([address], timeout="10s") as client:
        await client.topology()
        yield client


LIBRARY = Library(version("shoal"), _blocking, _asynchronous, _near)
