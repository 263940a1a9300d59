"""The Rust programs of this folder: building them, and where they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CRATES = ("shoal-loader", "shoal-pauses", "shoal-plane")


def build() -> None:
    """In release mode; takes minutes the first time."""
    packages = [word for crate in CRATES for word in ("--package", crate)]
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", *packages],
        check=True,
        cwd=REPOSITORY,
    )


def binary(crate: str) -> Path:
    return _release() / crate


def _release() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", str(REPOSITORY / "target"))) / "release"
