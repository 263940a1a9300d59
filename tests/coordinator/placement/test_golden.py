"""Placement is the same in every process and every release: a stored digest.

If this test fails, a release would move partitions of every running cluster. That
may be wanted once; then say so in the changelog, and store the new digest.
"""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

from shoal_coordinator.placement.place import Placement, place
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.registry.records import NodeId

DIGEST = "dbcccb453cc2ecdaa16795dbcc4f3f82902cc759c5029cb5e7c1c37dab4db6d7"


def golden_placement() -> Placement:
    members = [
        RingMember(NodeId(f"node-{n}"), (50, 100, 200)[n % 3], "abc"[n % 3]) for n in range(11)
    ]
    return place(members, 1024, 2)


def digest(placement: Placement) -> str:
    lines = (f"{p.partition} {' '.join(p.preference)}" for p in placement.partitions)
    return sha256("\n".join(lines).encode()).hexdigest()


def test_the_placement_is_the_stored_one() -> None:
    assert digest(golden_placement()) == DIGEST


def test_a_process_with_another_hash_seed_agrees() -> None:
    program = (
        f"import runpy; module = runpy.run_path({__file__!r}); "
        "print(module['digest'](module['golden_placement']()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "4711", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == DIGEST
