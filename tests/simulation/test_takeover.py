"""Take-over, hand-over and leases under seeded faults, in virtual time.

Each seed is one history of crashes, restarts, pauses, cuts, lost answers, late
views and lost leases; see ``simulated_cluster`` for what must hold in all of them.
To see one again: ``SHOAL_SEED=1234 pytest tests/simulation/test_takeover.py``.
"""

from __future__ import annotations

import os

import pytest

from shoal_node.local import Local
from simulated_cluster import HARMS, simulate
from simulated_store import Mutant

SEEDS = 200
SEEDS_PER_TEST = 25
SEEDS_FOR_A_MUTANT = 400


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_at_most_one_node_acknowledges_and_all_is_served_in_the_end(first: int) -> None:
    asked = os.environ.get("SHOAL_SEED")
    seeds = [int(asked)] if asked else range(first, first + SEEDS_PER_TEST)
    for seed in seeds:
        broken = simulate(seed)
        assert not broken, f"seed {seed}: {broken}"


@pytest.mark.parametrize("mutant", [it for it in Mutant if it is not Mutant.NONE])
def test_every_rule_is_missed_when_it_is_taken_away(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mutant is Mutant.INCARNATION_IGNORED:
        monkeypatch.setattr(
            Local,
            "owns",
            lambda self, held: (
                held.record.primary is not None and held.record.primary.node == self.node
            ),
        )
    # Only a node that lost its lease and does not know it yet misses this one.
    harms = ("keeper", "crash") if mutant is Mutant.OWN_KEY_NOT_COMPARED else HARMS
    assert any(simulate(seed, mutant, harms) for seed in range(SEEDS_FOR_A_MUTANT)), (
        f"{SEEDS_FOR_A_MUTANT} seeds did not notice that {mutant}"
    )


def test_the_same_seed_is_the_same_history() -> None:
    mutant = Mutant.FENCE_LIFTED_EARLY
    assert [simulate(seed, mutant) for seed in range(8)] == [
        simulate(seed, mutant) for seed in range(8)
    ]
