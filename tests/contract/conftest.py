"""One cluster for all contract tests: they change nothing but keys of their own."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from local_cluster import LocalCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3, partitions=64) as running:
        yield running


@pytest.fixture(scope="session")
def channels(cluster: LocalCluster) -> Iterator[list[grpc.Channel]]:
    opened = [grpc.insecure_channel(address) for address in cluster.addresses]
    yield opened
    for channel in opened:
        channel.close()


@pytest.fixture(params=[0, 1, 2], ids=["node-0", "node-1", "node-2"])
def channel(request: pytest.FixtureRequest, channels: list[grpc.Channel]) -> grpc.Channel:
    """Each node in turn: what a test asks of one must hold on all, owner or not."""
    return channels[request.param]
