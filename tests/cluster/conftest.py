"""A cluster of real processes that several tests of one file hurt, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

from played_rounds import COPIES, Play


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes, two copies of everything, the tests' own proxies between them."""
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(Shape(nodes=3, replicas=COPIES - 1), Proxies(), folder) as cluster:
        cluster.wait_until_served(COPIES)
        yield cluster


@pytest.fixture
def played(hurt: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Play:
    return Play(hurt, request.node.name, tmp_path)
