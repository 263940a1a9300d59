"""What tests of the coordinator share: etcds of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcd_process import EtcdProcess


@pytest.fixture(scope="session")
def etcd_for_coordinators(request: pytest.FixtureRequest) -> Path:
    named = os.environ.get("SHOAL_ETCD_BINARY")
    if named:
        return Path(named)
    found: Path = request.getfixturevalue("etcd_binary")
    return found


@pytest.fixture
def coordinators_etcd(etcd_for_coordinators: Path, tmp_path: Path) -> Iterator[EtcdProcess]:
    """An etcd for one test to kill."""
    process = EtcdProcess(etcd_for_coordinators, tmp_path / "etcd")
    try:
        process.start()
        yield process
    finally:
        process.kill()
