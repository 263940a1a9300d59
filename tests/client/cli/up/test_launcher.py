"""Bringing a cluster up, where something goes wrong on the way."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.cli.up.failures import StartFailed
from shoal.cli.up.interrupts import Interrupts
from shoal.cli.up.launcher import Launcher
from shoal.cli.up.plan import Programs, UpOptions
from shoal.cli.up.ports import HOST, free_ports
from shoal.cli.up.supervised import Supervised

pytestmark = pytest.mark.etcd

OPTIONS = UpOptions(nodes=1, replicas=0)
SLEEPS = ("sh", "-c", "sleep 600")
FAILS = ("sh", "-c", "echo starting; echo no such cluster >&2; exit 3")


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    with Interrupts() as interrupts, Supervised(None, interrupts) as running:
        yield running


def no_bar(_sentence: str, _part: float) -> None:
    """Nobody watches."""


def launcher(
    supervised: Supervised,
    programs: Programs,
    said: list[str],
    free: Iterator[int] | None = None,
    timeout_seconds: float = 30,
) -> Launcher:
    ports = free_ports(random.Random()) if free is None else free
    return Launcher(OPTIONS, programs, supervised, ports, timeout_seconds, said.append, no_bar)


def test_a_process_that_ends_is_named_with_its_last_words(
    supervised: Supervised, etcd_binary: Path
) -> None:
    said: list[str] = []
    with pytest.raises(StartFailed) as caught:
        launcher(supervised, Programs(etcd_binary, SLEEPS, FAILS), said).bring_up()
    text = str(caught.value)
    assert text.startswith("the cluster did not start: node-1 exited with code 3")
    assert text.index("  starting") < text.index("  no such cluster")
    assert "--data-dir" in text


def test_what_never_gets_ready_is_named_with_those_it_may_wait_for(
    supervised: Supervised, etcd_binary: Path
) -> None:
    said: list[str] = []
    with pytest.raises(StartFailed) as caught:
        launcher(
            supervised, Programs(etcd_binary, SLEEPS, SLEEPS), said, timeout_seconds=3
        ).bring_up()
    text = str(caught.value)
    assert "not ready after 3 s: node-1 not serving yet" in text
    assert "coordinator-1.log" in text


def test_etcd_takes_another_port_when_its_own_was_taken(
    supervised: Supervised, etcd_binary: Path
) -> None:
    said: list[str] = []
    with socket.socket() as thief:
        thief.bind((HOST, 0))
        thief.listen()
        ports = itertools.chain([thief.getsockname()[1]], free_ports(random.Random()))
        with pytest.raises(StartFailed, match="node-1 exited with code 3"):
            launcher(supervised, Programs(etcd_binary, SLEEPS, FAILS), said, ports).bring_up()
    assert "etcd lost its port to another program; taking another" in said
