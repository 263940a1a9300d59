"""Programs that do not fit the cluster that stands: one sentence, and status 2."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_views import CONFIG
from etcd_process import EtcdProcess
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.fitting import PROTOCOL, check_fit
from shoal_coordinator.registry.etcd.store import open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import create_config

PROGRAMS = ("shoal_node.main", "shoal_coordinator.main")
NEWER = replace(CONFIG, protocol=PROTOCOL + 1)


def test_whoever_speaks_what_is_spoken_fits() -> None:
    check_fit(CONFIG, "default", None)
    check_fit(CONFIG, "default", CONFIG.cluster_id)
    check_fit(replace(CONFIG, protocol=PROTOCOL - 1), "default", None)
    with pytest.raises(BadSettings, match="start a newer release"):
        check_fit(NEWER, "default", None)
    with pytest.raises(BadSettings, match="--cluster-id is another"):
        check_fit(CONFIG, "default", "another")


@pytest.fixture(scope="module")
def etcd(etcd_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    process = EtcdProcess(etcd_binary, tmp_path_factory.mktemp("etcd"))
    process.start()
    asyncio.run(_create(process.url))
    yield process
    process.kill()


async def _create(url: str) -> None:
    store = open_store(url)
    await create_config(store, Keys("default"), CONFIG)
    await create_config(store, Keys("newer"), NEWER)
    await store.close()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--cluster", "newer"), "speaks protocol 2, and this release protocol 1"),
        (("--cluster-id", "another"), f"has the id {CONFIG.cluster_id}, and --cluster-id is"),
    ],
)
def test_a_program_that_does_not_fit_says_so_and_ends(
    etcd: EtcdProcess, program: str, flags: tuple[str, ...], sentence: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", program, "--etcd", etcd.url, "--listen", "127.0.0.1:0", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
