"""Which zones may take the next copy."""

from __future__ import annotations

from shoal_coordinator.placement.zones import Zones

# Members 0 and 1 in zone a, 2 and 3 in b, 4 in c.
ZONES = Zones(["a", "a", "b", "b", "c"])
A, B, C = 0, 1, 2


def test_a_zone_with_a_copy_is_closed_while_another_has_none() -> None:
    assert ZONES.closed_to([]) == set()
    assert ZONES.closed_to([0]) == {A}
    assert ZONES.closed_to([0, 2]) == {A, B}


def test_once_every_zone_has_one_they_fill_up_evenly() -> None:
    assert ZONES.closed_to([0, 2, 4]) == {C}, "c has no member left"
    assert ZONES.closed_to([0, 2, 4, 1]) == {A, C}
    assert ZONES.closed_to([0, 2, 4, 1, 3]) == {A, B, C}


def test_how_many_copies_a_zone_may_have() -> None:
    assert [ZONES.most_copies(copies) for copies in (1, 2, 3, 4, 5)] == [1, 1, 1, 2, 2]
    assert Zones(["a", "b", "b", "b", "b"]).most_copies(4) == 3
