"""A C++ compiler: the fuzzer's own code is C++. Nothing else here needs one."""

from __future__ import annotations

import os
import shutil

from tools.setup.console import MissingTool, run, say

NAMES = ("c++", "g++", "clang++")
COMMAND = "apt-get install -y g++"


def require() -> str:
    """The compiler's name; on Debian, as root, one is installed where there is none."""
    found = find()
    if found is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingTool(
            f"the fuzzer needs a C++ compiler. Run: sudo {COMMAND}, or name one: CXX=clang++"
        )
    say("there is no C++ compiler; installing Debian's g++ for the fuzzer")
    run(["apt-get", "update", "-qq"], what="apt-get update")
    run(COMMAND.split(), what=COMMAND, environment={"DEBIAN_FRONTEND": "noninteractive"})
    found = find()
    if found is None:
        raise MissingTool("g++ was installed and is not on PATH; name a compiler: CXX=...")
    return found


def find() -> str | None:
    names = (os.environ["CXX"],) if os.environ.get("CXX") else NAMES
    return next((name for name in names if shutil.which(name)), None)
