"""The private environment in .venv: pinned dependencies and our own packages."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.places import PYTHON, REPOSITORY, VENV, fingerprint, is_current, mark

REQUIREMENTS = REPOSITORY / "requirements-dev.txt"
STAMP = VENV / ".shoal" / "environment"
OWN = ("client", "coordinator")


def prepare() -> None:
    if sys.version_info < (3, 11):
        raise MissingTool(
            f"Shoal needs CPython 3.11 or later, and python3 is {sys.version.split()[0]}; "
            "install a newer one, or name it: make PYTHON=python3.12 ..."
        )
    manifests = [REPOSITORY / folder / "pyproject.toml" for folder in OWN]
    # The folder is part of it: an environment that was moved does not work.
    wanted = fingerprint([REQUIREMENTS, *manifests], sys.version, str(REPOSITORY))
    if is_current(STAMP, wanted) and PYTHON.exists():
        return
    if not is_usable():
        make_environment()
    pip: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    say("installing the pinned Python dependencies into .venv (a minute or two the first time)")
    run([*pip, "--requirement", REQUIREMENTS], what="installing the Python dependencies")
    own = [word for folder in OWN for word in ("--editable", str(REPOSITORY / folder))]
    run([*pip, "--no-deps", "--no-build-isolation", *own], what="installing shoal itself")
    mark(STAMP, wanted)


def is_usable() -> bool:
    """Whether .venv is an environment made here, by this Python."""
    version = f"version = {'.'.join(map(str, sys.version_info[:3]))}"
    settings = VENV / "pyvenv.cfg"
    if not PYTHON.exists() or not settings.is_file() or version not in settings.read_text():
        return False
    pip = VENV / "bin" / "pip"
    return pip.exists() and str(VENV) in pip.read_text().split("\n", 1)[0]


def make_environment() -> None:
    if VENV.exists():
        say("removing .venv: it was made by another Python or for another folder")
        shutil.rmtree(VENV)
    if importlib.util.find_spec("ensurepip") is None:
        install_ensurepip()
    say(f"making a private environment in .venv with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", VENV], what="making .venv")


def install_ensurepip() -> None:
    """Debian ships Python without it; its package brings it."""
    package = f"python3.{sys.version_info.minor}-venv"
    command = f"apt-get install -y {package}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingTool(
            f"this Python cannot make environments: ensurepip is missing. Run: sudo {command}"
        )
    say(f"this Python lacks ensurepip; installing Debian's {package}")
    run(["apt-get", "update", "-qq"], what="apt-get update")
    run(
        ["apt-get", "install", "-y", "-qq", package],
        what=command,
        environment={"DEBIAN_FRONTEND": "noninteractive"},
    )
