"""The table: who leads, who joins, who is the last to leave."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import shoal
from shoal._toolkit.flights import Flight, Flights

MAX_WAITING = 5


class FlightsMachine(RuleBasedStateMachine):
    """Against a plain record of who is in which flight."""

    def __init__(self) -> None:
        super().__init__()
        self.flights: Flights[object] = Flights(MAX_WAITING)
        self.joinable: dict[bytes, Flight[object]] = {}
        self.inside: list[Flight[object]] = []

    @rule(key=st.sampled_from([b"a", b"b"]))
    def enter(self, key: bytes) -> None:
        if len(self.inside) == MAX_WAITING:
            with pytest.raises(shoal.LoadRefused) as caught:
                self.flights.enter(key, object)
            assert caught.value.reason == "TOO_MANY_WAITING"
            return
        flight, leads = self.flights.enter(key, object)
        assert leads == (key not in self.joinable)
        assert self.joinable.setdefault(key, flight) is flight
        self.inside.append(flight)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        flight = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        assert self.flights.leave(flight) == (flight not in self.inside)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        flight = data.draw(st.sampled_from(self.inside))
        self.flights.land(flight)
        if self.joinable.get(flight.key) is flight:
            del self.joinable[flight.key]

    @rule(key=st.sampled_from([b"a", b"b"]))
    def detach(self, key: bytes) -> None:
        self.flights.detach(key)
        self.joinable.pop(key, None)

    @invariant()
    def the_counts_hold(self) -> None:
        assert self.flights.waiting == len(self.inside)
        assert len(self.flights) == len(self.joinable)


TestFlights = FlightsMachine.TestCase


def test_a_loader_that_asks_for_its_own_key_is_told() -> None:
    flights: Flights[object] = Flights()
    flights.enter(b"a", object)
    loading = flights.begin_loading(b"a")
    with pytest.raises(shoal.ClientMisuse, match="wait for itself"):
        flights.enter(b"a", object)
    flights.enter(b"b", object)
    other: Flights[object] = Flights()
    other.enter(b"a", object)
    flights.end_loading(loading)
    flights.enter(b"a", object)
