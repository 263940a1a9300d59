"""Running the replayer (``bench/replayer``): a trace against an engine, a Redis or a node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.binaries import REPOSITORY, binary

_CRATE = "shoal-replayer"
_CRATES = (_CRATE, "shoal-plane")
# As many as a cluster has by default; a single node owns all of them.
PARTITIONS = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """``entries``: on average over the second half. ``used_bytes``: beyond ``base_bytes``, what
    the cache uses when it is empty. 0 where nobody looked."""

    requests: int
    misses: int
    entries: int
    used_bytes: int
    base_bytes: int

    @property
    def miss_ratio(self) -> float:
        return self.misses / self.requests


def build() -> None:
    """In release mode; takes minutes the first time."""
    packages = [word for crate in _CRATES for word in ("--package", crate)]
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", *packages],
        check=True,
        cwd=REPOSITORY,
    )


def engine(
    trace: Path, policy: str, budgets: Sequence[int], partitions: int = PARTITIONS
) -> list[Outcome]:
    """The real engine in the replayer's process, once for each budget in bytes."""
    words = [f"{policy}:{partitions}:{budget}" for budget in budgets]
    return _run(trace, [part for word in words for part in ("--engine", word)])


def redis(trace: Path, socket: Path, budgets: Sequence[int]) -> list[Outcome]:
    """A real Redis, once for each budget in bytes; 0 is none."""
    chosen = [part for budget in budgets for part in ("--budget", str(budget))]
    return _run(trace, ["--redis", str(socket), *chosen])


def node(trace: Path, address: str) -> Outcome:
    """A real node over gRPC, as it stands."""
    (outcome,) = _run(trace, ["--node", address])
    return outcome


def _run(trace: Path, words: Sequence[str]) -> list[Outcome]:
    finished = subprocess.run(
        [str(binary(_CRATE)), "--trace", str(trace), *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Outcome(**json.loads(line)) for line in finished.stdout.splitlines()]
