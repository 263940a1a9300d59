"""Build and run the examples of other languages: `python3 -m tools.languages [NAME...]`.

Each runs against one real cluster. An example whose tools are not there is skipped, with what
to install; with ``--all`` that is a failure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.languages.build import build
from tools.languages.catalogue import EXAMPLES, Example
from tools.languages.cluster import cluster
from tools.setup.console import MissingTool

TIMEOUT_SECONDS = 300


def main() -> None:
    names = [example.name for example in EXAMPLES]
    asked = argparse.ArgumentParser(prog="tools.languages", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    asked.add_argument("--all", action="store_true", help="skip none: what is missing is a failure")
    arguments = asked.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        asked.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [example for example in EXAMPLES if example.name in (arguments.names or names)]
    with cluster() as addresses:
        outcomes = [attempt(example, addresses) for example in chosen]
    passed, failed, skipped = (outcomes.count(it) for it in ("passed", "failed", "skipped"))
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed or (skipped and arguments.all):
        sys.exit(1)


def attempt(example: Example, addresses: list[str]) -> str:
    """Build and run one; say what became of it."""
    versions = [need.version() for need in example.needs]
    missing = [
        need.install
        for need, version in zip(example.needs, versions, strict=True)
        if version is None
    ]
    if missing:
        say(f"{example.title}: skipped. It needs: {'; '.join(missing)}")
        return "skipped"
    try:
        folder = build(example, "".join(version or "" for version in versions))
    except MissingTool as failure:
        say(f"{example.title}: failed: {failure}")
        return "failed"
    results = [
        run(example, folder, command, words, addresses)
        for command, words in zip(example.programs, example.says, strict=True)
    ]
    return "passed" if all(results) else "failed"


def run(
    example: Example,
    folder: Path,
    command: tuple[str, ...],
    words: tuple[str, ...],
    addresses: list[str],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> bool:
    """Run one program, show what it prints, and say whether that was right."""
    say(f"{example.title}: {' '.join(command)} {' '.join(addresses)}")
    program = folder / command[0]
    start = str(program) if program.exists() else command[0]
    try:
        ran = subprocess.run(
            [start, *command[1:], *addresses],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        # It comes as bytes although text was asked for.
        print((expired.stdout or b"").decode(errors="replace"), end="", flush=True)
        say(f"{example.title}: failed: no end after {timeout_seconds} s")
        return False
    print(ran.stdout, end="", flush=True)
    unsaid = [word for word in words if word not in ran.stdout]
    if ran.returncode != 0:
        say(f"{example.title}: failed: exit code {ran.returncode}")
    elif unsaid:
        say(f"{example.title}: failed: it did not say {unsaid}")
    return ran.returncode == 0 and not unsaid


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
