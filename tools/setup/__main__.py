"""Prepare this clone: `python3 -m tools.setup`, which every make target runs first.

Each step says what it does, skips itself when what it made is still right, and
ends with a sentence that says how to get what is missing. Runs on the system's
Python with nothing installed, so it uses the standard library alone.
"""

from __future__ import annotations

import sys

from tools.setup import environment, etcd, extension
from tools.setup.console import MissingTool

STEPS = (
    # First, so that who lacks Rust is told before waiting for anything else.
    extension.require_rust,
    environment.prepare,
    extension.prepare,
    etcd.prepare,
)


def main() -> None:
    try:
        for step in STEPS:
            step()
    except MissingTool as missing:
        sys.exit(f"shoal setup: {missing}")


if __name__ == "__main__":
    main()
