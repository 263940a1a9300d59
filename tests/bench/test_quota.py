"""A process that is held gets the part of a core that it was given."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from bench import quota
from bench.machine import cpu_seconds

_SHARE, _SECONDS = 0.2, 2.0


def test_a_held_process_gets_its_part() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes control groups")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            with quota.held(spinning.pid, _SHARE):
                # What it has of a slice of time from before is its own.
                time.sleep(0.1)
                before, began = cpu_seconds(spinning.pid), time.monotonic()
                time.sleep(_SECONDS)
                share = (cpu_seconds(spinning.pid) - before) / (time.monotonic() - began)
        except quota.NoQuota as why:
            pytest.skip(str(why))
        finally:
            spinning.kill()
    assert share < 1.5 * _SHARE
