"""A plan of three nodes to look at."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal.cli.up.plan import ClusterPlan, Ports, Programs, UpOptions, plan


@pytest.fixture
def three_nodes() -> ClusterPlan:
    options = UpOptions(nodes=3, partitions=4)
    return plan(
        options,
        Ports.draw(options, itertools.count(20_000)),
        Programs(Path("/opt/etcd"), ("coordinator",), ("node",)),
        Path("/data"),
    )


def process_is_gone(pid: int) -> bool:
    """Whether a process has ended; one that its parent has not reaped yet has, too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    return process_is_gone
