"""The committed stubs are what the protos generate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_stubs_match_the_protos(repository: Path) -> None:
    checked = subprocess.run(
        [sys.executable, repository / "tools" / "generate_stubs.py", "--check"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
