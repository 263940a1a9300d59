"""A cache that refuses its caller is no cache that fails: the origin is not asked instead."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2

import shoal
from fake_refusal import status


@pytest.fixture
def cache(connect, cluster):
    return connect(cluster.url).cache()


REFUSALS = [
    (code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED", shoal.Unauthenticated),
    (code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED", shoal.PermissionDenied),
]


@pytest.mark.parametrize(("code", "reason", "error"), REFUSALS)
def test_who_may_not_read_is_told_and_the_origin_is_spared(
    cache, cluster, code, reason, error
) -> None:
    loads: list[str] = []
    for node in cluster.nodes.values():
        node.fail_next("Get", status(code, reason))
    with pytest.raises(error):
        cache.get_or_load("k", lambda: loads.append("k"), ttl=60, on_error="miss")
    assert loads == []


@pytest.mark.parametrize(("code", "reason", "error"), REFUSALS)
def test_who_may_read_and_not_write_is_told(cache, cluster, code, reason, error) -> None:
    """Else every miss would be a load, for ever."""
    for node in cluster.nodes.values():
        node.fail_next("Set", status(code, reason))
    with pytest.raises(error):
        cache.get_or_load("k", lambda: "row", ttl=60, on_error="miss")
