"""The places: never more than allowed, and nobody waits who could be admitted."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import shoal
from shoal._toolkit.bulkhead import Bulkhead, Place, Ticket

MAX_LOADS, MAX_LOADS_PER_KEY, MAX_QUEUED = 3, 2, 4


class BulkheadMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bulkhead = Bulkhead(
            max_loads=MAX_LOADS, max_loads_per_key=MAX_LOADS_PER_KEY, max_queued=MAX_QUEUED
        )
        self.tickets: list[Ticket] = []
        self.woken: list[Ticket] = []

    def at(self, place: Place) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.place is place]

    def is_free(self, key: bytes) -> bool:
        admitted = [ticket.key for ticket in self.at(Place.ADMITTED)]
        return len(admitted) < MAX_LOADS and admitted.count(key) < MAX_LOADS_PER_KEY

    @rule(key=st.sampled_from([b"a", b"b", b"c"]))
    def ask(self, key: bytes) -> None:
        free = self.is_free(key)
        if not free and len(self.at(Place.QUEUED)) == MAX_QUEUED:
            with pytest.raises(shoal.LoadRefused) as caught:
                self.bulkhead.ask(key)
            assert caught.value.reason == "ORIGIN_BUSY"
            return
        ticket = self.bulkhead.ask(key)
        ticket.wake = lambda: self.woken.append(ticket)
        assert (ticket.place is Place.ADMITTED) == free
        self.tickets.append(ticket)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.tickets))
        self.tickets.remove(ticket)
        was_admitted = ticket.place is Place.ADMITTED
        queued = self.at(Place.QUEUED)
        self.woken.clear()
        self.bulkhead.leave(ticket)
        assert ticket.place is Place.GONE
        assert len(self.woken) <= was_admitted
        if self.woken:
            # The first whose key was free: those before it are at their limit still.
            before = queued[: queued.index(self.woken[0])]
            assert all(one.place is Place.QUEUED for one in before)
        assert all(one.place is Place.ADMITTED for one in self.woken)

    @invariant()
    def the_bounds_hold(self) -> None:
        admitted = [ticket.key for ticket in self.at(Place.ADMITTED)]
        assert self.bulkhead.loading == len(admitted) <= MAX_LOADS
        assert self.bulkhead.queued == len(self.at(Place.QUEUED)) <= MAX_QUEUED
        assert all(admitted.count(key) <= MAX_LOADS_PER_KEY for key in admitted)

    @invariant()
    def nobody_waits_who_could_be_admitted(self) -> None:
        assert not any(self.is_free(ticket.key) for ticket in self.at(Place.QUEUED))


TestBulkhead = BulkheadMachine.TestCase


def test_the_queue_is_served_in_order_past_keys_at_their_limit() -> None:
    bulkhead = Bulkhead(max_loads=2, max_loads_per_key=1, max_queued=9)
    first, second = bulkhead.ask(b"a"), bulkhead.ask(b"b")
    again, third, fourth = bulkhead.ask(b"a"), bulkhead.ask(b"c"), bulkhead.ask(b"d")
    bulkhead.leave(second)
    assert [one.place for one in (again, third, fourth)] == [
        Place.QUEUED,
        Place.ADMITTED,
        Place.QUEUED,
    ]
    bulkhead.leave(first)
    assert again.place is Place.ADMITTED
