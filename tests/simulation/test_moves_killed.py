"""A move, killed at every step of it: leader, source and target, at once and a little later.

Whatever happens, promises hold, the node that is drained gives away what it has in the end,
and every partition is served and has its copies.
"""

from __future__ import annotations

import pytest

from simulation.moves import Kill, Victim, drain_killed, spare_node
from simulation.seeds import quiet

SEEDS = [seed for seed in range(40) if spare_node(seed)][:3]
DELAYS_US = (0, 4_000, 300_000)
"""Before anybody has heard of the record; once some have; once all have."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_move_comes_to_its_end_whoever_dies_at_whichever_step(seed: int) -> None:
    with quiet():
        undisturbed = drain_killed(seed, None)
        assert undisturbed.broken == []
        assert undisturbed.steps >= 4, f"void: a move of {undisturbed.steps} steps"
        killed = set()
        for step in range(1, undisturbed.steps + 1):
            for victim in Victim:
                for delay_us in DELAYS_US:
                    kill = Kill(step, victim, delay_us)
                    drained = drain_killed(seed, kill)
                    assert drained.broken == [], f"seed {seed}, {kill}: {drained.broken[0]}"
                    if drained.killed:
                        killed.add((step, victim))
    # The last records are written when there is nothing left to wait for.
    reached = range(1, undisturbed.steps)
    assert killed >= {(step, victim) for step in reached for victim in Victim}
