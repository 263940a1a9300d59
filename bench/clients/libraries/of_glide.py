"""valkey-glide: a core in Rust under both faces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any

import glide
import glide_sync

from bench.clients.libraries.library import Library


class _Blocking:
    def __init__(self, client: Any) -> None:
        self.get = client.get
        self.set = client.set
        self._mget = client.mget

    def get_many(self, keys: Sequence[str]) -> Sequence[object]:
        values: Sequence[object] = self._mget(list(keys))
        return values


@contextmanager
def _blocking(address: str) -> Iterator[_Blocking]:
    host, _, port = address.rpartition(":")
    nodes = [glide_sync.NodeAddress(host, int(port))]
    client = glide_sync.GlideClient.create(glide_sync.GlideClientConfiguration(nodes))
    try:
        yield _Blocking(client)
    finally:
        client.close()


@asynccontextmanager
async def _asynchronous(address: str) -> AsyncIterator[Any]:
    host, _, port = address.rpartition(":")
    nodes = [glide.NodeAddress(host, int(port))]
    client = await glide.GlideClient.create(glide.GlideClientConfiguration(nodes))
    try:
        yield client
    finally:
        await client.close()


LIBRARY = Library(version("valkey-glide"), _blocking, _asynchronous)
