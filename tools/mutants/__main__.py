"""Apply each mutant to a copy of the sources and run its exploration: it must fail.

`python3 -m tools.mutants [WORD...]` takes those whose name holds one of the words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.mutants.catalogue import MUTANTS, Mutant
from tools.setup.extension import target_folder
from tools.setup.places import REPOSITORY

SOURCES = ("Cargo.toml", "Cargo.lock", "protos", "node", "fuzz", "bench")
RUN_SECONDS_MAX = 900
BUILD_SECONDS_MAX = 3600


def main() -> None:
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    with TemporaryDirectory(prefix="shoal-mutants-") as folder:
        copy = Path(folder)
        for name in SOURCES:
            copy_of(REPOSITORY / name, copy / name)
        missed = [mutant.name for mutant in chosen if not is_caught(mutant, copy)]
    if missed:
        sys.exit(f"shoal mutants: NOT NOTICED: {', '.join(missed)}")
    print(f"shoal mutants: all {len(chosen)} were noticed")


def copy_of(source: Path, copy: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns("target", "*.so", "__pycache__")
        shutil.copytree(source, copy, ignore=ignored)
    else:
        shutil.copy2(source, copy)


def is_caught(mutant: Mutant, copy: Path) -> bool:
    path = copy / mutant.file
    original = path.read_text()
    if original.count(mutant.old) != 1:
        sys.exit(
            f"shoal mutants: {mutant.name!r} does not apply to {mutant.file}: bring it up to date"
        )
    path.write_text(original.replace(mutant.old, mutant.new))
    try:
        built = cargo(mutant, copy, "--no-run")
        if built.returncode != 0:
            sys.exit(f"{built.stdout}\nshoal mutants: {mutant.name!r} does not compile")
        ran = cargo(mutant, copy)
    finally:
        path.write_text(original)
    caught = ran.returncode != 0 and f"test {mutant.test} ... FAILED" in ran.stdout
    print(f"{'noticed' if caught else 'NOT NOTICED'}: {mutant.name} ({mutant.test})", flush=True)
    return caught


def cargo(mutant: Mutant, copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Of its own: cargo takes a copy's packages for those of the repository.
    folder = Path(os.environ.get("CARGO_TARGET_DIR") or target_folder()) / "mutants"
    command = ["cargo", "test", "--package", mutant.package, *words]
    if not words:
        command += ["--no-fail-fast", "--", "--exact", mutant.test]
    return subprocess.run(
        command,
        cwd=copy,
        env={**os.environ, "CARGO_TARGET_DIR": str(folder), "RUST_BACKTRACE": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS_MAX if words else RUN_SECONDS_MAX,
        check=False,
    )


if __name__ == "__main__":
    main()
