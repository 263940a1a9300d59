"""What tests of more than one area share: where etcd is, and waiting for a state."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent
T = TypeVar("T")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def etcd_binary() -> Path:
    """The etcd that `shoal up` would run; a missing one fails the test, saying how to get it."""
    asked = subprocess.run(
        [sys.executable, "-m", "shoal.cli.up.etcd_binary"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    return Path(json.loads(asked.stdout)["path"])


class Eventually:
    """Waits for a state, with a deadline; never for a length of time."""

    def __call__(
        self, observe: Callable[[], T | None], *, what: str, within_seconds: float = 20.0
    ) -> T:
        """Return what `observe` returns as soon as it is true."""
        deadline = time.monotonic() + within_seconds
        while True:
            seen = observe()
            if seen:
                return seen
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_seconds} s: {what}; last seen: {seen!r}")
            time.sleep(0.02)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    return Eventually()
