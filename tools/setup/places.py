"""Where the set-up puts things, and the fingerprints that tell a stale one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
VENV = REPOSITORY / ".venv"
PYTHON = VENV / "bin" / "python"


def cache() -> Path:
    """Builds that clones share: $SHOAL_CACHE, else the user's cache folder."""
    chosen = os.environ.get("SHOAL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shoal"


def fingerprint(files: Iterable[Path], *facts: str) -> str:
    """Of the content of files and of facts beside them: never of times."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
        digest.update(b"\0")
    for fact in facts:
        digest.update(f"{fact}\0".encode())
    return digest.hexdigest()[:16]


def is_current(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def mark(stamp: Path, current: str) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(current)
