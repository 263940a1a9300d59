"""Ids of copies tell in which run of a node the copy began."""

from __future__ import annotations

from shoal_coordinator.registry.copy_ids import is_of, new_copy_id
from shoal_coordinator.registry.records import Incarnation


def test_a_copy_is_of_the_run_in_which_it_began_and_of_no_other() -> None:
    # The same listener: their first parts are alike.
    first, second = Incarnation("mark-12345678ab"), Incarnation("mark-87654321ab")
    copy_id = new_copy_id(first, "0123")
    assert is_of(copy_id, first)
    assert not is_of(copy_id, second)


def test_an_incarnation_without_a_listener_s_mark_is_its_own_mark() -> None:
    assert new_copy_id(Incarnation("abcdefghijk"), "1") == "abcdefgh-1"


def test_a_mark_is_not_taken_for_a_longer_one() -> None:
    assert not is_of(new_copy_id(Incarnation("m-abcdefgh"), "1"), Incarnation("m-abcdefg"))
