"""A ring that changes and changes, often before the last change is carried out.

Small in ``make test``. All of it: ``SHOAL_CHANGES=1000 SHOAL_RING=1000x16384 pytest
tests/coordinator/placement/test_many_changes.py``; it takes long.
"""

from __future__ import annotations

import os
import random

import pytest

from placement_checks import NOTHING, changed, check, held, joined, moves, ring_of
from shoal_coordinator.placement.place import Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.placement.wanted import wanted

CHANGES = int(os.environ.get("SHOAL_CHANGES", "60"))
NODES, PARTITIONS = map(int, os.environ.get("SHOAL_RING", "30x512").split("x"))
REPLICAS = 2
ZONES = 4
MOVES_A_ROUND = 16


def carried_out(before: Placement, after: Placement, moves_max: int) -> Placement:
    """As many partitions as wanted as these moves allow; what moves nothing is free."""
    placed = []
    for old, new in zip(before.partitions, after.partitions, strict=True):
        cost = len({*new.preference[: 1 + REPLICAS]} - {*old.preference[: 1 + REPLICAS]})
        moves_max -= cost
        placed.append(new if not cost or moves_max >= 0 else old)
    return Placement(tuple(placed))


def least_by_count(before: Placement, members: list[RingMember]) -> int:
    """A bound below the least, by counting alone.

    Copies that are missing, and those above a member's most, must be made somewhere; and
    what a member lacks must be made there.
    """
    ids, _, limits, copies = ring_of(members, PARTITIONS, REPLICAS)
    numbers = {node: number for number, node in enumerate(ids)}
    loads = [0] * len(ids)
    for nodes in held(before):
        for node in nodes:
            if node in numbers:
                loads[numbers[node]] += 1
    over = sum(max(load - most, 0) for load, most in zip(loads, limits.copies_max, strict=True))
    lack = sum(max(least - load, 0) for load, least in zip(loads, limits.copies_min, strict=True))
    return max(PARTITIONS * copies - sum(loads) + over, lack)


@pytest.mark.timeout(7_200)
def test_it_keeps_every_promise_and_comes_to_rest(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(CHANGES)
    members = joined(rng, NODES, ZONES)
    standing = wanted(NOTHING, members, PARTITIONS, REPLICAS)
    planned = least = 0
    for change in range(CHANGES):
        members = changed(rng, members, ZONES)
        next_one = wanted(standing, members, PARTITIONS, REPLICAS)
        check(next_one, members, REPLICAS)
        planned += moves(standing, next_one)
        # A member that changes its zone has copies beside others of that zone: counting
        # does not see that these must move.
        least += least_by_count(standing, members)
        at_once = rng.choice((0, 8, 64, PARTITIONS)) if change < CHANGES - 1 else 0
        standing = carried_out(standing, next_one, at_once)
    left = moves(standing, wanted(standing, members, PARTITIONS, REPLICAS))
    rounds_max = -(-left // (MOVES_A_ROUND - REPLICAS)) + 1
    rounds = 0
    while (next_one := wanted(standing, members, PARTITIONS, REPLICAS)) != standing:
        standing = carried_out(standing, next_one, MOVES_A_ROUND)
        rounds += 1
        assert rounds <= rounds_max, "it does not come to rest"
    check(standing, members, REPLICAS)
    with capsys.disabled():
        print(f"\n{CHANGES} changes: {planned} moves planned, {least} by count; {rounds} rounds")
    assert least > CHANGES, "void"
    assert planned <= 1.5 * least
