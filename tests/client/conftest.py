"""A fake cluster, and both twins of the client behind one blocking face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import shoal
import shoal.asyncio
from blocking_face import BlockingFace, LoopThread
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
