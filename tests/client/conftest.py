"""A fake cluster, and both twins of the client behind one blocking face."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import shoal
import shoal.asyncio
from fake_cluster import FakeCluster


@pytest.fixture
def fake_cluster() -> Iterator[Callable[[int], FakeCluster]]:
    """Makes clusters of any number of nodes."""
    made: list[FakeCluster] = []

    def make(node_count: int) -> FakeCluster:
        made.append(FakeCluster(node_count))
        return made[-1]

    yield make
    for fake in made:
        fake.stop()


@pytest.fixture
def cluster(fake_cluster: Callable[[int], FakeCluster]) -> FakeCluster:
    """Three nodes that own every third of the partitions each."""
    return fake_cluster(3)


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class BlockingFace:
    """Something of ``shoal.asyncio`` whose coroutines are run to their end.

    Loaders are those of blocking code, each called in a thread.
    """

    def __init__(self, client: Any, loop: LoopThread) -> None:
        self.client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        if name == "session":
            return lambda: BlockingFace(self.client.session(), self._loop)
        if name == "cache":
            return lambda **settings: BlockingFace(self.client.cache(**settings), self._loop)
        method = getattr(self.client, name)
        if name in ("get_or_load", "refresh"):
            return lambda key, loader, **recipe: self._loop.run(
                method(key, partial(asyncio.to_thread, loader), **recipe)
            )
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self._loop.run(method(*args, **kwargs))


@pytest.fixture(params=["sync", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a client from a URL: of one twin, then of the other; closes it at the end."""
    made: list[Any] = []
    loop = LoopThread() if request.param == "asyncio" else None

    def make(url: str, **settings: Any) -> Any:
        if loop is None:
            client: Any = shoal.Client.from_url(url, **settings)
        else:
            client = BlockingFace(shoal.asyncio.Client.from_url(url, **settings), loop)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
    if loop is not None:
        loop.close()


@pytest.fixture
def client(connect: Callable[..., Any], cluster: FakeCluster) -> Any:
    """A client that knows the topology, with a timeout that a busy machine keeps."""
    made = connect(cluster.url, timeout="10s")
    made.topology()
    return made
