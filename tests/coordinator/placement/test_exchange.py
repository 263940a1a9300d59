"""Making room by chains of exchanges."""

from __future__ import annotations

from shoal_coordinator.placement.exchange import Exchange
from shoal_coordinator.placement.zones import Zones


def test_room_is_taken_where_there_is_some() -> None:
    holders = [[0]]
    assert Exchange(Zones(["", ""]), holders, [1, 1]).place(0)
    assert holders == [[0, 1]]


def test_a_full_member_gives_a_replica_away_to_make_room() -> None:
    # Partition 1 may not use member 2, its primary; member 1 is full of partition 0.
    zones = Zones(["a", "b", "c"])
    holders = [[0, 1], [2]]
    exchange = Exchange(zones, holders, [0, 1, 1])
    assert exchange.place(1)
    assert holders == [[0, 2], [2, 1]]


def test_a_chain_may_be_long() -> None:
    # Only member 4 has room, and only partition 3 may use it.
    zones = Zones(["z0", "z1", "z2", "z3", "z4"])
    holders = [[4], [4, 0], [4, 1], [0, 2]]
    exchange = Exchange(zones, holders, [1, 1, 1, 0, 1])
    assert exchange.place(0)
    assert all(len(set(members)) == 2 for members in holders)
    assert [sum(m in ms[1:] for ms in holders) for m in range(5)] == [1, 1, 1, 0, 1]


def test_where_no_chain_helps_it_says_so_and_changes_nothing_until_bounds_rise() -> None:
    zones = Zones(["a", "b"])
    holders = [[0, 1], [0]]
    exchange = Exchange(zones, holders, [1, 1])
    assert not exchange.place(1)
    assert holders == [[0, 1], [0]]
    exchange.raise_bounds()
    assert exchange.place(1)
    assert holders == [[0, 1], [0, 1]]


def test_an_exchange_keeps_zones_distinct() -> None:
    # Member 1 is full; it can give partition 0 only within zone b or c.
    zones = Zones(["a", "b", "b", "c"])
    holders = [[0, 1], [3], [3, 0]]
    exchange = Exchange(zones, holders, [1, 1, 1, 0])
    assert exchange.place(1)
    for members in holders:
        assert len({zones.of[member] for member in members}) == len(members) == 2
