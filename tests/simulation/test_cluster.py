"""A whole cluster in virtual time, event by event: agents, coordinator, replication, faults.

See ``simulation`` (tests/support) for what runs and what must hold at every step. A failure
names its seed, and how to see it again: ``python -m simulation SEED``.

``make test`` runs some hundred seeds; ``SHOAL_SEEDS=10000`` as many as it says, on
``SHOAL_CORES`` cores.
"""

from __future__ import annotations

import os

import pytest

from simulation.cluster import simulate
from simulation.harms import ETCD_HARMS
from simulation.mutants import Mutant
from simulation.seeds import TELLING, caught, quiet, run_seeds

SEEDS = int(os.environ.get("SHOAL_SEEDS", "400"))
CORES = int(os.environ.get("SHOAL_CORES", "1"))
SEEDS_WITHOUT_ETCD = 40
FIRST = int(os.environ.get("SHOAL_FIRST_SEED", "0"))
MUTANTS = [it for it in Mutant if it is not Mutant.NONE]


@pytest.mark.timeout(7_200)
def test_promises_hold_whatever_happens_and_all_converges(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = run_seeds(FIRST, SEEDS, CORES)
    with capsys.disabled():
        print(f"\n{ran}")
    assert not ran.broken, str(ran)
    for harm in ("crash", "move", "leases lost", "compacted", "one way", "deaf", "impostor"):
        assert ran.counts[harm] > 0, f"void: no {harm}"
    for kind in ("in sync", "by primary", "reads", "increments", "promoted", "handed over"):
        assert ran.counts[kind] > ran.seeds // 2, f"void: {ran.counts[kind]} {kind}"


def test_nobody_gives_up_a_copy_because_it_was_cut_off_itself() -> None:
    with quiet():
        for seed in range(SEEDS_WITHOUT_ETCD):
            broken = simulate(seed, harms=ETCD_HARMS).broken
            assert not broken, f"seed {seed}: {broken}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[it.name for it in MUTANTS])
def test_every_rule_is_missed_when_it_is_taken_away(
    mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    found = caught(mutant)
    with capsys.disabled():
        print(f"\n{mutant.name}: {found}")
    assert found is not None, f"{TELLING[mutant].seeds_max} seeds did not notice that {mutant}"


def test_the_same_seed_is_the_same_history() -> None:
    assert [simulate(seed) for seed in range(4)] == [simulate(seed) for seed in range(4)]
