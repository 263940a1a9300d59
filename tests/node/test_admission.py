"""Who may register an id, as a table of stories."""

from __future__ import annotations

from dataclasses import replace

from cluster_views import live
from shoal_coordinator.registry.port import LeaseId
from shoal_coordinator.registry.records import Incarnation
from shoal_coordinator.registry.view import LiveNode
from shoal_node.admission import Admission, AlreadyIn, Enter, Refuse, WaitFor, admit

ME = Incarnation("mark-me")
LEASE, EARLIER = LeaseId(7), LeaseId(3)


def standing(incarnation: str, lease: LeaseId = EARLIER) -> LiveNode:
    node = live("a")
    registration = replace(node.registration, incarnation=Incarnation(incarnation))
    return replace(node, registration=registration, lease=lease)


def admitted(who: LiveNode | None, *, since_ms: int = 0, now_ms: int = 0) -> Admission:
    return admit(who, ME, LEASE, since_ms, now_ms, patience_ms=6_000)


def test_a_free_id_is_entered() -> None:
    assert admitted(None) == Enter(None, "nobody stands under this node's id")


def test_a_predecessor_with_the_same_listener_is_dead_and_replaced_at_once() -> None:
    dead = standing("mark-earlier")
    decided = admitted(dead)
    assert isinstance(decided, Enter)
    assert decided.predecessor == dead
    assert str(decided) == "register: the predecessor is dead: this process has its listener"


def test_any_other_predecessor_is_waited_for_until_its_lease_must_have_run_out() -> None:
    other = standing("elsewhere-x")
    assert admitted(other, since_ms=100, now_ms=6_099) == WaitFor(other, until_ms=6_100)


def test_one_that_lives_on_has_the_id() -> None:
    decided = admitted(standing("elsewhere-x"), since_ms=100, now_ms=6_100)
    assert isinstance(decided, Refuse)
    assert str(decided) == (
        "another node uses the id a: it lives at a:7400. "
        "Give this one another --id, or stop the other"
    )


def test_the_own_key_under_the_own_lease_is_the_registration() -> None:
    mine = standing(ME, LEASE)
    assert admitted(mine) == AlreadyIn(mine)


def test_the_own_key_from_a_lost_lease_is_replaced() -> None:
    mine = standing(ME, EARLIER)
    decided = admitted(mine)
    assert isinstance(decided, Enter)
    assert decided.predecessor == mine


def test_an_incarnation_without_a_mark_is_nobodys_listener() -> None:
    unmarked = standing("handmade")
    assert isinstance(admit(unmarked, Incarnation("handmade2"), None, 0, 0, patience_ms=1), WaitFor)
