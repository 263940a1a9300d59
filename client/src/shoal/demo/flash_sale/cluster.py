"""A cluster of the demo's own: ``shoal up --json`` as a subprocess.

It runs in a session of its own, so that Ctrl-C reaches the demo alone, which then stops
the cluster in order. On Linux the kernel also stops it when the demo is killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from shoal.demo.flash_sale.failures import ClusterFailed

_START_SECONDS = 90.0
"""Long enough for a machine that is busy building something else."""
_STOP_SECONDS = 50.0
"""Longer than the launcher itself takes at most."""
_PR_SET_PDEATHSIG = 1
_TAIL_CHARACTERS = 1_500


def url_of(line: str) -> str:
    """The client's URL from the line that ``shoal up --json`` prints."""
    try:
        addresses = [node["address"] for node in json.loads(line)["nodes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterFailed(f"`shoal up --json` printed something else: {line!r}") from error
    if not addresses:
        raise ClusterFailed("`shoal up --json` started no nodes.")
    return "shoal://" + ",".join(addresses)


@contextmanager
def own_cluster(nodes: int) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a cluster, and stops it at the end, whatever happens. See ``url_when_ready``."""
    command = [sys.executable, "-m", "shoal.cli", "up", "--json", "--nodes", str(nodes)]
    with tempfile.TemporaryFile() as complaints:
        launcher = subprocess.Popen(  # noqa: S603 - our own program, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread runs yet
        )
        try:
            yield launcher
        except ClusterFailed as failure:
            raise ClusterFailed(f"{failure}\n{_tail(complaints)}".strip()) from failure
        finally:
            _stop(launcher)


def url_when_ready(launcher: subprocess.Popen[bytes]) -> str:
    """Waits for the launcher's line. Raises ``ClusterFailed`` when it does not come."""
    assert launcher.stdout is not None
    deadline = time.monotonic() + _START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(launcher.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise ClusterFailed(f"The cluster was not ready after {_START_SECONDS:.0f} s.")
            chunk = os.read(launcher.stdout.fileno(), 65_536)
            if not chunk:
                raise ClusterFailed("`shoal up` ended before the cluster was ready.")
            line += chunk
    return url_of(line.decode())


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(launcher: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if launcher.poll() is not None:
            break
        launcher.send_signal(signal_number)
        try:
            launcher.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    if launcher.stdout is not None:
        launcher.stdout.close()


def _tail(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace")[-_TAIL_CHARACTERS:]
