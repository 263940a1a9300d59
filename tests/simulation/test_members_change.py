"""Operators drain, remove, add and weigh nodes at any moment, while these die and come back:
promises hold, and once it is over everything is where it is wanted."""

from __future__ import annotations

from collections import Counter

import pytest

from simulation.cluster import simulate
from simulation.harms import MEMBER_HARMS
from simulation.seeds import quiet

SEEDS = 120


@pytest.mark.timeout(600)
def test_promises_hold_whatever_operators_do() -> None:
    counts: Counter[str] = Counter()
    with quiet():
        for seed in range(SEEDS):
            run = simulate(seed, harms=MEMBER_HARMS)
            assert run.broken == [], f"seed {seed}: {run.broken[0]}"
            counts += Counter(run.counts)
    for done in ("add", "drain", "keep", "remove", "weigh", "refused"):
        assert counts[done] > SEEDS // 8, f"void: {counts[done]} {done}"
    for harm in ("crash", "pause", "coordinator", "promoted", "handed over"):
        assert counts[harm] > SEEDS // 4, f"void: {counts[harm]} {harm}"
