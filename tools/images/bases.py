"""What stands in for the Dockerfile's base images: Debian by debootstrap, Rust from this machine.

Each is made once for what it is made of. Made by root, into buildah's own storage.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.extension import rustc_version
from tools.setup.places import fingerprint

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
COMPILER = ("gcc", "libc6-dev")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEEDLESS = (
    "var/cache/apt/archives/*.deb",
    "var/cache/apt/*.bin",
    "var/lib/apt/lists/*",
    "var/log/*",
    "usr/share/doc/*",
    "usr/share/locale/*",
    "usr/share/man/*",
)


def python_base(mirror: str | None) -> str:
    """Return the name of an image of Debian with Python alone.

    ``mirror``: of Debian's packages; None takes the one that debootstrap knows.
    """
    name = f"localhost/shoal-base-python:{fingerprint([], SUITE, *PACKAGES, *_NEEDLESS)}"
    if is_there(name):
        return name
    with tempfile.TemporaryDirectory(prefix="shoal-debian-") as made:
        folder = Path(made) / "root"
        say(f"making Debian {SUITE} (some minutes, once)")
        run(
            [
                *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
                *(SUITE, folder),
                *([] if mirror is None else [mirror]),
            ],
            what="debootstrap",
        )
        for path in (path for pattern in _NEEDLESS for path in folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, str(folder), "/")
    buildah("config", "--env", f"PATH={_PATH}", container)
    buildah("commit", "--quiet", "--rm", container, name)
    return name


def rust_base(python: str) -> str:
    """Return the name of an image with this machine's Rust, and a linker, on top of another."""
    name = f"localhost/shoal-base-rust:{fingerprint([], python, rustc_version(), *COMPILER)}"
    if is_there(name):
        return name
    say("making an image with this machine's Rust in it (a minute, once)")
    sysroot = Path(told("rustc", "--print", "sysroot"))
    container = buildah("from", "--pull-never", python)
    install = (
        f"apt-get update -qq && apt-get install -y -qq --no-install-recommends "
        f"{' '.join(COMPILER)} && apt-get clean && rm -rf /var/lib/apt/lists/*"
    )
    run(
        ["buildah", "run", "--isolation", "chroot", container, "--", "sh", "-c", install],
        what="installing a linker",
    )
    for folder in ("bin", "lib"):
        buildah("add", "--quiet", container, str(sysroot / folder), f"/usr/local/{folder}")
    buildah("commit", "--quiet", "--rm", container, name)
    return name


def wheels_image(folder: Path) -> str:
    """Return the name of an image that holds the wheels of a folder, and nothing else."""
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise MissingTool(f"there are no wheels in {folder}")
    name = f"localhost/shoal-wheels:{fingerprint(wheels)}"
    if not is_there(name):
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, *map(str, wheels), "/wheels/")
        buildah("commit", "--quiet", "--rm", container, name)
    return name


def is_there(image: str) -> bool:
    asked = subprocess.run(
        ["buildah", "inspect", "--type", "image", image], capture_output=True, check=False
    )
    return asked.returncode == 0


def buildah(*arguments: str) -> str:
    """Run it; return what it printed. Raises ``MissingTool``."""
    return told("buildah", *arguments)


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingTool(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")
    return done.stdout.strip()
