"""Names of nodes and of their runs."""

from __future__ import annotations

import pytest

from shoal_coordinator.registry.keys import checked_name
from shoal_node.identity import default_id, listener_mark, new_incarnation, same_listener


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("web-1", 7400, "web-1-7400"),
        ("_odd host!", 1, "odd-host--1"),
        ("", 7400, "node-7400"),
        ("h" * 80, 65535, "h" * 57 + "-65535"),
    ],
)
def test_the_default_id_is_usable_and_stable(host: str, port: int, expected: str) -> None:
    assert default_id(host, port) == expected
    assert checked_name("node id", default_id(host, port)) == expected


def test_a_free_port_gives_a_name_of_its_own_each_time() -> None:
    assert default_id("host", 0) != default_id("host", 0)


def test_two_runs_of_one_listener_are_told_apart_and_known_as_its_own() -> None:
    mark = listener_mark("127.0.0.1:7400")
    one, other = new_incarnation(mark), new_incarnation(mark)
    assert one != other
    assert same_listener(one, other)


def test_another_listener_is_another() -> None:
    one = new_incarnation(listener_mark("127.0.0.1:7400"))
    assert not same_listener(one, new_incarnation(listener_mark("127.0.0.1:7401")))
