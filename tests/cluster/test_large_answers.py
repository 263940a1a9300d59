"""More bytes from one node than one answer may hold."""

from __future__ import annotations

import pytest

import shoal
from local_cluster import LocalCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

VALUE_BYTES = 1024 * 1024 - 1024


def test_many_large_values_of_one_node_are_read_by_one_call() -> None:
    # One hash tag, so one partition; together more than an answer's 32 MiB.
    values = {f"{{sale}}:{number}": number.to_bytes(1) * VALUE_BYTES for number in range(80)}
    with (
        LocalCluster(nodes=1, arguments=("--maxmemory=256MiB",)) as cluster,
        shoal.Client.from_url(f"{cluster.url}?timeout=30s") as client,
    ):
        client.set_many(values)
        assert client.get_many(values) == values
