"""Waiting for a cluster to have done something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shoal.cli import waiting
from shoal.cli.failure import ClusterUnreachable
from shoal.cli.waiting import Sight, wait_until_over

TWO, ONE, NONE = (Sight(f"{left} left", left, is_over=left == 0) for left in (2, 1, 0))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOK_SECONDS", 0.001)


def looks(*sights: Sight | None) -> Callable[[], Sight]:
    """None: nobody answers."""
    coming: Iterator[Sight | None] = iter(sights)

    def look() -> Sight:
        seen = next(coming)
        if seen is None:
            raise ClusterUnreachable("no coordinator answered")
        return seen

    return look


def test_it_is_told_until_it_is_over_and_over_an_election() -> None:
    told: list[tuple[str, float]] = []
    last = wait_until_over(looks(TWO, None, None, ONE, NONE), 60.0, lambda *args: told.append(args))
    assert last == NONE
    assert told == [("2 left", 0.0), ("1 left", 0.5), ("0 left", 1.0)]


def test_what_was_there_when_the_time_was_over_is_returned() -> None:
    assert wait_until_over(lambda: ONE, 0.01, lambda *_: None) == ONE


def test_nobody_told_within_the_time() -> None:
    assert wait_until_over(looks(None), 0.0, lambda *_: None) is None


def test_a_silence_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_SILENCE_SECONDS_MAX", 0.01)
    with pytest.raises(ClusterUnreachable):
        wait_until_over(looks(ONE, *[None] * 100_000), 60.0, lambda *_: None)
