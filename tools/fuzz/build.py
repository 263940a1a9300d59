"""The fuzzing program: every target in one, on stable Rust.

`-Cpasses=sancov-module` lets LLVM mark every branch and every comparison, so that the
fuzzer sees what an input reaches. The flags are stable ones; only the sanitizers that
the nightly compiler has are missing, and there is no unsafe code for them to look at.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tools.setup import cxx
from tools.setup.console import MissingTool, run, say
from tools.setup.extension import require_rust, target_folder
from tools.setup.places import REPOSITORY

COVERAGE = (
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
)


def build() -> Path:
    """Build it, or find that it is current; returns the program."""
    require_rust()
    compiler = cxx.require()
    folder = Path(os.environ.get("CARGO_TARGET_DIR") or target_folder())
    host = host_triple()
    say("building the fuzz targets (some minutes the first time)")
    run(
        [
            *("cargo", "build", "--quiet", "--locked", "--package", "shoal-fuzz", "--bin", "fuzz"),
            *("--features", "libfuzzer", "--profile", "fuzz", "--target", host),
        ],
        what="building the fuzz targets",
        folder=REPOSITORY,
        environment={
            "CARGO_TARGET_DIR": str(folder),
            "RUSTFLAGS": " ".join(COVERAGE),
            "CXX": compiler,
        },
    )
    return folder / host / "fuzz" / "fuzz"


def host_triple() -> str:
    asked = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=False)
    found = re.search(r"^host: (\S+)$", asked.stdout, re.MULTILINE)
    if found is None:
        raise MissingTool(f"rustc does not say what it builds for: {asked.stderr.strip()}")
    return found[1]
