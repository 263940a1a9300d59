"""Flags and their relations, refused with a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.settings import CoordinatorSettings

LOOPBACK = HostPort("127.0.0.1", 7300)


def settings(**changes: Any) -> CoordinatorSettings:
    return CoordinatorSettings(
        **{
            "etcd": "http://127.0.0.1:2379",
            "listen": LOOPBACK,
            "advertise": None,
            "metrics_listen": None,
            "cluster": "default",
            "id": "one",
            "partitions": 256,
            "replicas": 1,
            "bootstrap_nodes": 1,
            "lease_ttl_seconds": 3,
            "is_insecure": False,
            **changes,
        }
    )


@pytest.mark.parametrize("count", [1, 2, 256, 16384])
def test_powers_of_two_are_taken(count: int) -> None:
    assert settings(partitions=count).partitions == count


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"partitions": 0}, "power of two"),
        ({"partitions": 100}, "power of two up to 16384, such as 256"),
        ({"partitions": 32768}, "power of two"),
        ({"partitions": -4}, "power of two"),
        ({"replicas": -1}, "--replicas -1 is not usable"),
        ({"min_in_sync": 0}, "--min-in-sync 0 is not usable"),
        ({"min_in_sync": 3, "replicas": 1}, "there are 2 copies with the primary's"),
        ({"bootstrap_nodes": 0}, "--bootstrap-nodes 0"),
        ({"bootstrap_nodes": 2, "replicas": 2}, "take 3 or more, or 1 to begin with"),
        ({"lease_ttl_seconds": 0}, "--lease-ttl 0"),
        ({"lease_ttl_seconds": 40}, "--down-grace of 60 s is too short"),
        ({"etcd": "nonsense"}, "is not an etcd URL"),
        ({"cluster": "a/b"}, "cluster name"),
        ({"id": ""}, "coordinator id"),
        ({"listen": HostPort("10.0.0.1", 1)}, "say --insecure"),
        ({"metrics_listen": HostPort("0.0.0.0", 1)}, "--metrics-listen 0.0.0.0:1 can be reached"),
        ({"listen": HostPort("0.0.0.0", 1), "is_insecure": True}, "--advertise HOST:PORT"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSettings, match=sentence):
        settings(**changes)


def test_beyond_loopback_needs_to_be_said() -> None:
    settings(listen=HostPort("10.0.0.1", 1), is_insecure=True)
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        settings(listen=HostPort(host, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"settle_seconds": 6.0},
        {"down_grace_seconds": 1.0},
        {"flap_base_seconds": 0.0},
    ],
)
def test_the_planner_s_settings_fit_together(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        PlanSettings(**changes)
