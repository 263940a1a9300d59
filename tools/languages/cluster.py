"""A cluster for as long as the examples run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tools.setup.console import MissingTool
from tools.setup.places import VENV

NODES = 3


@contextmanager
def cluster() -> Iterator[list[str]]:
    """Start ``shoal up`` and give the addresses of its nodes."""
    command = [str(VENV / "bin" / "shoal"), "up", "--json", f"--nodes={NODES}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        try:
            line = launcher.stdout.readline()
            if not line:
                raise MissingTool("`shoal up` did not start a cluster; it said why above")
            yield [node["address"] for node in json.loads(line)["nodes"]]
        finally:
            launcher.terminate()
