"""Only partitions that are not as recorded are looked at by what makes copies so."""

from __future__ import annotations

from hypothesis import given

from shoal_coordinator.registry.view import ClusterView
from shoal_node.local import Local
from shoal_node.roles import followings, leavings, lost_copies, servings, unlike
from situations import situations


@given(situations())
def test_of_what_is_as_recorded_nothing_would_come(
    situation: tuple[ClusterView, Local, int],
) -> None:
    view, local, _ = situation
    everything = sorted({*view.partitions, *local.serving, *local.following})
    found = unlike(view, local)
    assert found == sorted(found)
    assert found == [it for it in everything if unlike(view, local, [it])]
    assert leavings(view, local, found) == leavings(view, local, everything)
    assert [*servings(view, local, found)] == [*servings(view, local, everything)]
    assert [*lost_copies(view, local, found)] == [*lost_copies(view, local, everything)]
    for may_begin in (True, False):
        assert [*followings(view, local, found, may_begin=may_begin)] == [
            *followings(view, local, everything, may_begin=may_begin)
        ]
