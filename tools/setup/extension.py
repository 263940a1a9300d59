"""The node package: its Rust extension, built in release mode by maturin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.places import REPOSITORY, VENV, cache, fingerprint, is_current, mark

STAMP = VENV / ".shoal" / "extension"
KINDS = {".rs", ".toml", ".proto"}
RUST_MINIMUM = (1, 88)
HOW_TO_GET_RUST = (
    "install Rust {}.{} or later with rustup (see rust-lang.org/tools/install), "
    "open a new shell, and run this again"
).format(*RUST_MINIMUM)


def require_rust() -> None:
    rustc_version()


def prepare() -> None:
    rustc = rustc_version()
    claim(target_folder(), REPOSITORY)
    wanted = fingerprint(sources(), rustc, str(REPOSITORY))
    if is_current(STAMP, wanted) and built():
        return
    say("building the Rust data plane in release mode (some minutes the first time)")
    run(
        [VENV / "bin" / "maturin", "develop", "--release", "--locked", "--quiet"],
        what="building the Rust data plane",
        folder=REPOSITORY / "node",
        environment={"CARGO_TARGET_DIR": str(target_folder()), "VIRTUAL_ENV": str(VENV)},
    )
    mark(STAMP, wanted)


def target_folder() -> Path:
    """Cargo's folder, shared by clones so that each need not compile what all depend on."""
    return cache() / "cargo" / fingerprint([REPOSITORY / "Cargo.lock"], rustc_version())


def claim(folder: Path, clone: Path) -> None:
    """Make what another clone has built in cargo's folder count as old.

    Cargo knows a crate of a workspace by its place within it, and its age by the times of
    its files: a clone whose files are older than another one's build would be given that.
    """
    owner = folder / "clone"
    if is_current(owner, str(clone)):
        return
    for path in (it for it in clone.rglob("*") if it.suffix in KINDS and it.is_file()):
        if not {"target", ".venv"} & set(path.relative_to(clone).parts):
            os.utime(path)
    mark(owner, str(clone))


def sources() -> list[Path]:
    """Everything that the extension is built from."""
    folders = (
        "protos",
        "node/engine",
        "node/http2",
        "node/replication",
        "node/server",
        "node/bridge",
    )
    found = [
        path
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in KINDS and "target" not in path.parts
    ]
    return [
        *found,
        *(REPOSITORY / name for name in ("Cargo.toml", "Cargo.lock", "node/pyproject.toml")),
    ]


def built() -> bool:
    return any((REPOSITORY / "node" / "src" / "shoal_node").glob("_bridge*.so"))


def rustc_version() -> str:
    if shutil.which("cargo") is None or shutil.which("rustc") is None:
        raise MissingTool(f"the Rust toolchain is missing: {HOW_TO_GET_RUST}")
    asked = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"rustc (\d+)\.(\d+)", asked.stdout)
    if found is None:
        raise MissingTool(f"rustc does not run ({asked.stderr.strip()}): {HOW_TO_GET_RUST}")
    if (int(found[1]), int(found[2])) < RUST_MINIMUM:
        raise MissingTool(f"{asked.stdout.strip()} is too old: {HOW_TO_GET_RUST}")
    return asked.stdout.strip()
