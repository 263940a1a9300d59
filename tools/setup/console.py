"""What the set-up says, and how it runs programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class MissingTool(Exception):
    """Something that the set-up cannot go on without; the text says how to get it."""


def say(sentence: str) -> None:
    print(f"shoal setup: {sentence}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a program quietly; on failure show what it printed and stop."""
    started = time.monotonic()
    finished = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        sys.stderr.write(finished.stdout)
        raise MissingTool(f"{what} failed; its output stands above")
    say(f"{what}: done in {time.monotonic() - started:.0f} s")
