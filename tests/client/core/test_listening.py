from __future__ import annotations

from random import Random

from shoal._core.listening import LONGEST_PAUSE_SECONDS, WANTED_SECONDS, Listening, Pauses


def test_the_first_grant_of_a_node_says_to_listen():
    listening = Listening()
    assert listening.note_grant("a:1", 0)
    assert not listening.note_grant("a:1", 1)
    assert listening.note_grant("b:1", 1)


def test_it_goes_on_as_long_as_grants_come():
    listening = Listening()
    listening.note_grant("a:1", 0)
    listening.note_grant("a:1", 50)
    assert listening.goes_on("a:1", 50 + WANTED_SECONDS - 1)
    assert not listening.goes_on("a:1", 50 + WANTED_SECONDS)
    assert not listening.goes_on("a:1", 0)


def test_after_the_end_the_next_grant_says_so_again():
    listening = Listening()
    listening.note_grant("a:1", 0)
    assert not listening.goes_on("a:1", WANTED_SECONDS)
    assert listening.note_grant("a:1", WANTED_SECONDS)
    listening.leave("a:1")
    assert listening.note_grant("a:1", WANTED_SECONDS)


def test_pauses_grow_and_what_is_told_ends_that():
    pauses = Pauses(Random(7))
    waits = [pauses.next_seconds() for _ in range(12)]
    assert waits[0] <= 0.02
    assert all(0 < wait <= LONGEST_PAUSE_SECONDS for wait in waits)
    assert waits[-1] >= LONGEST_PAUSE_SECONDS / 2
    pauses.note_update()
    assert pauses.next_seconds() <= 0.02
