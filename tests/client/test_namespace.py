"""What ``import shoal`` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import shoal

HEAVY = {"grpc", "google", "tenacity", "msgpack", "backports", "pybreaker", "moka_py"}

PUBLIC = [
    "ABSENT",
    "MISSING",
    "AbsentType",
    "Ack",
    "Cache",
    "CacheStats",
    "Client",
    "ClientClosed",
    "ClientMisuse",
    "ConfigurationError",
    "DeadlineExceeded",
    "Duration",
    "Entry",
    "ForkedClient",
    "InvalidRequest",
    "Key",
    "LoadRefused",
    "MissingType",
    "NearCache",
    "NearStats",
    "Node",
    "NotServed",
    "OnError",
    "OriginGuard",
    "Outcome",
    "OutcomeUnknown",
    "Partition",
    "PermissionDenied",
    "ReadMode",
    "Region",
    "ResourceExhausted",
    "ServerError",
    "Session",
    "SetResult",
    "ShardedCounter",
    "ShoalError",
    "Tls",
    "Topology",
    "Unauthenticated",
    "Unavailable",
    "UnreadableValue",
    "Value",
    "Version",
    "WrongEventLoop",
    "asyncio",
]


def test_the_public_names():
    assert shoal.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(shoal))
    for name in PUBLIC:
        assert getattr(shoal, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Cluster'"):
        shoal.Cluster  # noqa: B018


def test_public_means_public():
    from shoal import asyncio

    assert asyncio.__all__ == ["Cache", "Client", "Region", "Session", "ShardedCounter"]
    assert asyncio.Client is not shoal.Client


@pytest.mark.parametrize("code", ["import shoal", "import shoal; shoal.MISSING; shoal.ShoalError"])
def test_importing_is_cheap(code):
    check = f"{code}; import sys; print(sorted({HEAVY} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"


def test_libraries_of_the_toolkit_are_loaded_when_they_are_used():
    check = (
        "import shoal; shoal.Client(['127.0.0.1:1']); shoal.OriginGuard(); shoal.NearCache();"
        f"import sys; print(sorted({HEAVY - {'grpc', 'google', 'tenacity'}} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"


def test_missing_is_falsy_and_its_own():
    assert not shoal.MISSING
    assert not shoal.ABSENT
    assert shoal.MISSING is not shoal.ABSENT
    assert shoal.MISSING != shoal.ABSENT
    assert shoal.MISSING is not None
    assert repr(shoal.MISSING) == "MISSING"
    assert repr(shoal.ABSENT) == "ABSENT"
    assert isinstance(shoal.MISSING, shoal.MissingType)


def test_versions_are_ordered():
    assert shoal.Version(1, 9) < shoal.Version(2, 1) < shoal.Version(2, 2)
    assert str(shoal.Version(2, 1)) == "2.1"
