"""The Dockerfile takes everything that it builds from. `make images` builds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tools.images.__main__ import TARGETS
from tools.setup.places import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def copied() -> set[Path]:
    """What comes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return {Path(word) for line in lines for word in line.split()[:-1]}


def test_what_is_copied_is_there() -> None:
    assert [it for it in copied() if not (REPOSITORY / it).exists()] == []


def test_every_crate_of_the_workspace_is_copied() -> None:
    """Cargo refuses a workspace with a member that is not there."""
    workspace = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]
    left_out = [it for it in workspace["members"] if not {Path(it), *Path(it).parents} & copied()]
    assert left_out == []


def test_every_image_is_a_stage_that_runs_as_nobody_special() -> None:
    for target in TARGETS:
        assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
    runtime = DOCKERFILE.partition("AS runtime\n")[2].partition("\nFROM")[0]
    assert "\nUSER 10001:10001\n" in f"\n{runtime}\n"
