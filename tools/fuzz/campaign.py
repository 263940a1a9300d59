"""One run of each target, and what came of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.setup.places import REPOSITORY

SEEDS = REPOSITORY / "fuzz" / "seeds"
FOUND = REPOSITORY / "fuzz" / "found"
INPUT_BYTES_MAX = 4096
INPUT_SECONDS_MAX = 20
MEMORY_MIB_MAX = 2048
LOG_LINES = 25
# Past its time a run has this long to end by itself.
GRACE_SECONDS = 120


def targets() -> list[str]:
    """Every target has a folder of seeds; a Rust test holds the two lists to each other."""
    return sorted(folder.name for folder in SEEDS.iterdir() if folder.is_dir())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target."""

    target: str
    status: int
    log: str
    findings: tuple[Path, ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.status == 0 and not self.findings

    def sentence(self) -> str:
        if self.is_clean:
            runs = last(r"stat::number_of_executed_units:\s*(\d+)", self.log)
            edges = last(r"cov: (\d+)", self.log)
            return f"fuzz {self.target}: clean after {runs} inputs, {edges} branches reached"
        tail = "\n".join(self.log.splitlines()[-LOG_LINES:])
        if not self.findings:
            return f"{tail}\nfuzz {self.target}: ended with status {self.status} and no input"
        commands = "\n".join(
            f"  cargo run -p shoal-fuzz --bin replay -- {self.target} {shown(path)}"
            for path in self.findings
        )
        return (
            f"{tail}\nfuzz {self.target}: FOUND {', '.join(map(shown, self.findings))}. "
            f"Run it again with\n{commands}\n"
            f"and keep it under fuzz/seeds/{self.target}/ once it is mended."
        )


@dataclass(frozen=True, slots=True)
class Campaign:
    """How every target is run."""

    program: Path
    seconds: int
    seed: int
    corpora: Path
    found: Path = FOUND

    def run(self, target: str) -> Outcome:
        corpus = self.corpora / target
        findings = self.found / target
        for folder in (corpus, findings):
            folder.mkdir(parents=True, exist_ok=True)
        before = set(findings.iterdir())
        finished = subprocess.run(
            self.command(corpus, findings, SEEDS / target),
            cwd=REPOSITORY,
            env={**os.environ, "SHOAL_FUZZ_TARGET": target, "RUST_BACKTRACE": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=self.seconds + GRACE_SECONDS,
            check=False,
        )
        new = tuple(sorted(set(findings.iterdir()) - before))
        if not any(findings.iterdir()):
            shutil.rmtree(findings)
        return Outcome(target, finished.returncode, finished.stdout, new)

    def command(self, corpus: Path, findings: Path, seeds: Path) -> list[str]:
        """libFuzzer adds what it finds to the first folder and only reads the others."""
        return [
            str(self.program),
            f"-max_total_time={self.seconds}",
            f"-seed={self.seed}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_SECONDS_MAX}",
            f"-rss_limit_mb={MEMORY_MIB_MAX}",
            f"-artifact_prefix={findings}/",
            "-print_final_stats=1",
            str(corpus),
            str(seeds),
        ]


def last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return found[-1] if found else "?"


def shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path)
