"""Rounds of load and faults on a cluster that one test file shares."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from tools.soak import report
from tools.soak.campaign import Round, play
from tools.soak.cluster import Cluster
from tools.soak.workload import Load

COPIES = 2
"""Of every partition, the primary's with it."""


@dataclass(frozen=True)
class Play:
    """Plays rounds for one test, whose name is the seed."""

    cluster: Cluster
    name: str
    folder: Path

    def __call__(self, nemesis: str, *, losses_allowed: bool = True, attempts: int = 1) -> Round:
        """One round with this nemesis under load; it must be neither void nor wrong.

        With more ``attempts`` clients try as applications do, and longer.
        """
        seed = zlib.crc32(self.name.encode())
        load = Load(self.name, seed, operations_per_second=300)
        if attempts > 1:
            load = Load(
                self.name,
                seed,
                operations_per_second=300,
                once_attempts=attempts,
                once_timeout="5s",
                persistent_timeout="5s",
            )
        done = play(
            self.cluster,
            [nemesis],
            number=1,
            seed=seed,
            copies=COPIES,
            folder=self.folder,
            load=load,
            losses_allowed=losses_allowed,
        )
        print(report.of_round(done))
        assert done.is_good, report.of_round(done)
        return done
