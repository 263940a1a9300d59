"""Take-over, hand-over and leases under seeded faults, in virtual time.

Each seed is one history of crashes, restarts, pauses, cuts, lost answers, late
views and lost leases; see ``simulated_cluster`` for what must hold in all of them.
To see one again: ``SHOAL_SEED=1234 pytest tests/simulation/test_takeover.py``.
"""

from __future__ import annotations

import os

import pytest

from shoal_coordinator.registry.records import Unclean
from shoal_node import taking
from shoal_node.contact import Contact
from shoal_node.local import Local
from simulated_cluster import simulate
from simulated_harms import ETCD_HARMS, HARMS
from simulated_store import Mutant

SEEDS = 200
SEEDS_PER_TEST = 25
SEEDS_WITHOUT_ETCD = 40
SEEDS_FOR_A_MUTANT = 400
TELLING_HARMS = {
    # Only a node that lost its lease and does not know it yet misses this one.
    Mutant.OWN_KEY_NOT_COMPARED: ("keeper", "crash"),
    # Copies that fall behind, or go another way, while partitions change hands.
    Mutant.JOINING_NOT_WAITED_FOR: ("keeper", "lonely", "slow copies", "move"),
    Mutant.NOTHING_DRAINED: ("keeper", "lonely", "slow copies", "move"),
    Mutant.SILENCE_NOT_CONFIRMED: ("deaf",),
    Mutant.ABSENCE_COUNTED_BEFORE_RETURN: ("etcd away",),
    Mutant.COPY_ID_KEPT: ("pause", "cut", "lonely", "move"),
}


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_at_most_one_node_acknowledges_and_all_is_served_in_the_end(first: int) -> None:
    asked = os.environ.get("SHOAL_SEED")
    seeds = [int(asked)] if asked else range(first, first + SEEDS_PER_TEST)
    for seed in seeds:
        broken = simulate(seed)
        assert not broken, f"seed {seed}: {broken}"


def test_nobody_gives_up_a_copy_because_it_was_cut_off_itself() -> None:
    for seed in range(SEEDS_WITHOUT_ETCD):
        broken = simulate(seed, harms=ETCD_HARMS)
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
    if mutant is Mutant.SILENCE_NOT_CONFIRMED:

        def always_heard(self: Contact, sent_ms: int, now_ms: int, silence_ms: int) -> None:
            heard(self, sent_ms, now_ms, silence_ms)
            self.confirmed_ms = now_ms

        heard = Contact.heard
        monkeypatch.setattr(Contact, "heard", always_heard)
    if mutant is Mutant.ABSENCE_COUNTED_BEFORE_RETURN:
        monkeypatch.setattr(Contact, "began", lambda self, now_ms: None)
    if mutant is Mutant.OUTSIDERS_TAKE_OVER:
        # As if no copy in sync were ever left, and stale ones were kept.
        monkeypatch.setattr(taking, "copies_left", lambda view, record: ())
    harms = TELLING_HARMS.get(mutant, HARMS)
    keeps = mutant is Mutant.OUTSIDERS_TAKE_OVER
    unclean = Unclean.KEEP if keeps else Unclean.CLEAR
    assert any(simulate(seed, mutant, harms, unclean) for seed in range(SEEDS_FOR_A_MUTANT)), (
        f"{SEEDS_FOR_A_MUTANT} seeds did not notice that {mutant}"
    )


def test_the_same_seed_is_the_same_history() -> None:
    mutant = Mutant.FENCE_LIFTED_EARLY
    assert [simulate(seed, mutant) for seed in range(8)] == [
        simulate(seed, mutant) for seed in range(8)
    ]
