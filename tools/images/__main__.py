"""Build the Dockerfile's images without Docker, and try them: python -m tools.images

By buildah, as root, from a Debian that debootstrap makes and this machine's Rust. Ends with
what was found of each image; exit code 1 where one is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.images.bases import python_base, rust_base, wheels_image
from tools.images.confined import opened
from tools.images.trial import look, run_together
from tools.setup.console import MissingTool, say
from tools.setup.places import REPOSITORY

TARGETS = ("tools", "coordinator", "node")
NEEDED = ("buildah", "debootstrap")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Those that this machine trusts are trusted while images are built, and not by them."""


def build(target: str, bases: dict[str, str]) -> str:
    """Return the name of the image. ``bases`` by the argument of the Dockerfile."""
    name = f"localhost/shoal-{target}:dev"
    done = subprocess.run(
        [
            *("buildah", "build", "--isolation", "chroot", "--layers", "--pull-never"),
            # All files are of one time: what is built again is the same.
            *("--timestamp", "0"),
            *("--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"),
            *(f"--build-arg={name}={base}" for name, base in bases.items()),
            # Which stage WHEELS names, buildah finds out too late to see that it is used.
            *(() if "WHEELS" in bases else ("--skip-unused-stages=false",)),
            f"--build-arg=PIP_CERT={AUTHORITIES}",
            *("--target", target, "--tag", name, str(REPOSITORY)),
        ],
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise MissingTool(f"building {target} failed; its output stands above")
    return name


def require() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise MissingTool(
            f"{' and '.join(missing)} missing: apt-get install --no-install-recommends "
            f"{' '.join(NEEDED)}"
        )
    if os.geteuid() != 0:
        raise MissingTool("images are built by root here")


def main() -> None:
    """Make the bases, build, and try."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--mirror", help="of Debian; if left out, the one that debootstrap knows")
    parser.add_argument(
        "--wheels", type=Path, help="a folder with the three wheels, instead of building them"
    )
    told = parser.parse_args()
    try:
        require()
        python = python_base(told.mirror)
        bases = {"PYTHON_IMAGE": python}
        if told.wheels is None:
            bases["RUST_IMAGE"] = rust_base(python)
        else:
            bases["WHEELS"] = wheels_image(told.wheels)
        names = {}
        for target in TARGETS:
            say(f"building {target}")
            names[target] = build(target, bases)
        with contextlib.ExitStack() as stack:
            images = {target: stack.enter_context(opened(name)) for target, name in names.items()}
            for image in images.values():
                print(f"{image.name}: {look(image)}", flush=True)
            print(f"together: {run_together(images)}")
    except MissingTool as missing:
        sys.exit(f"images: {missing}")
    except AssertionError as error:
        sys.exit(f"images: {error}")


if __name__ == "__main__":
    main()
