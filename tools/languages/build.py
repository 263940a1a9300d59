"""Builds an example in a copy outside the clone, once for what it is made of.

The copy holds the example and what it is built out of at the same places as the repository,
so that ``build.sh`` runs there as it does by hand, and the clone stays clean.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tools.languages.catalogue import Example
from tools.setup.console import run
from tools.setup.places import REPOSITORY, cache, fingerprint, is_current, mark

GIT_HAS_OR_WOULD_TAKE = ("--cached", "--others", "--exclude-standard")
UNUSED_SECONDS_MAX = 24 * 3600
"""A copy that nobody used for so long is removed when another one is made."""


def build(example: Example, versions: str, repository: Path = REPOSITORY) -> Path:
    """Return the folder in which the example's programs run.

    ``versions`` of its tools: with others it is built anew. Raises ``MissingTool`` where it
    can not be built.
    """
    sources = files_of(example, repository)
    # The names besides the content: a file that was moved is another one.
    facts = [str(path.relative_to(repository)) for path in sources]
    wanted = fingerprint(sources, versions, *facts)
    copies = cache() / "languages" / example.name
    copy = copies / wanted
    folder = copy / "examples" / example.name
    built = copy / "built"
    if is_current(built, wanted):
        built.touch()
        return folder
    remove_unused(copies, time.time())
    shutil.rmtree(copy, ignore_errors=True)
    for path in sources:
        target = copy / path.relative_to(repository)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    run(
        [folder / "build.sh"],
        what=f"building the {example.title} example",
        folder=folder,
        environment=environment(),
    )
    mark(built, wanted)
    return folder


def remove_unused(copies: Path, now_seconds: float) -> None:
    """Other clones may be using theirs, so age decides."""
    for built in copies.glob("*/built"):
        if now_seconds - built.stat().st_mtime > UNUSED_SECONDS_MAX:
            shutil.rmtree(built.parent)


def files_of(example: Example, repository: Path = REPOSITORY) -> list[Path]:
    """The files that the example is built out of: what git has, or would take."""
    listed = subprocess.run(
        ["git", "ls-files", *GIT_HAS_OR_WOULD_TAKE, f"examples/{example.name}", *example.beside],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [repository / name for name in listed.stdout.splitlines()]
    return sorted(path for path in found if path.is_file())


def environment() -> dict[str, str]:
    """For builds: each into the folder that its own tool takes."""
    # The make targets name the nodes' folder to cargo.
    return {"CARGO_TARGET_DIR": "target"} if "CARGO_TARGET_DIR" in os.environ else {}
