"""What the near cache holds, by a clock that the test holds."""

from __future__ import annotations

import timeit
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import shoal
from shoal._core.near import ENTRY_BYTES, Mark, Near, NearCache
from shoal._values import Version

EPOCH = 3
KEYS = st.sampled_from([b"a", b"b", b"c"])


def partition_of(key: bytes) -> int:
    return 0 if key == b"a" else 1


def admit(near: Near, key: bytes, value: bytes = b"v", *, now: float, **settings: Any) -> None:
    told = {"ttl_ms": 0, "near_ms": 1000, "mark": near.mark(0, EPOCH, now)} | settings
    near.admit(key, value, Version(EPOCH, 1), now=now, **told)


def told_of_changes(settings: NearCache | None = None) -> Near:
    """One that is told of both partitions' changes."""
    near = Near(settings or NearCache())
    near.follow(0, EPOCH)
    near.follow(1, EPOCH)
    return near


@pytest.fixture
def near() -> Near:
    return told_of_changes()


def test_nothing_is_held_without_a_grant(near) -> None:
    admit(near, b"k", near_ms=0, now=0)
    assert near.get(b"k", 0) is None
    generous = Near(NearCache(without_grant="2s"))
    admit(generous, b"k", near_ms=0, now=0)
    assert generous.get(b"k", 1.9).value == b"v"
    assert generous.get(b"k", 2.0) is None


def test_an_answer_is_held_as_long_as_it_is_granted_and_lives(near) -> None:
    admit(near, b"k", near_ms=1000, now=5)
    admit(near, b"short", near_ms=1000, ttl_ms=200, now=5)
    assert near.get(b"k", 5.9).value == b"v"
    assert near.get(b"k", 6.0) is None
    assert near.get(b"short", 5.1).ends_at == pytest.approx(5.2)
    assert near.get(b"short", 5.2) is None


def test_a_grant_counts_from_when_it_was_asked_for(near) -> None:
    admit(near, b"k", mark=near.mark(0, EPOCH, 5), now=5.75)
    assert near.get(b"k", 5.9).value == b"v"
    assert near.get(b"k", 6.0) is None
    admit(near, b"late", mark=near.mark(0, EPOCH, 5), now=6)
    assert near.get(b"late", 6) is None


@pytest.mark.parametrize(("asked", "answered"), [(EPOCH - 1, EPOCH - 1), (EPOCH + 1, EPOCH)])
def test_a_grant_holds_only_by_who_tells_of_changes(near, asked, answered) -> None:
    told = {"ttl_ms": 0, "near_ms": 1000, "mark": near.mark(0, asked, 0), "now": 0}
    near.admit(b"k", b"v", Version(answered, 1), **told)
    assert near.get(b"k", 0) is None


def test_an_older_version_by_who_tells_of_changes_is_held_and_a_newer_is_not(near) -> None:
    told = {"ttl_ms": 0, "near_ms": 1000, "mark": near.mark(0, EPOCH, 0), "now": 0}
    near.admit(b"old", b"v", Version(EPOCH - 1, 1), **told)
    near.admit(b"new", b"v", Version(EPOCH + 1, 1), **told)
    assert near.get(b"old", 0) is not None
    assert near.get(b"new", 0) is None


def test_what_is_held_without_a_grant_needs_nobody_who_tells_of_changes() -> None:
    near = Near(NearCache(without_grant="2s"))
    admit(near, b"k", near_ms=60_000, now=0)
    assert near.get(b"k", 1.9) is not None
    assert near.get(b"k", 2.0) is None


def test_where_nobody_tells_of_changes_any_more_what_is_held_stays_for_its_grant(near) -> None:
    admit(near, b"k", now=0)
    mark = near.mark(0, EPOCH, 0)
    near.follow(0, 0)
    assert near.stats().told_partitions == 1
    admit(near, b"under way", mark=mark, now=0)
    admit(near, b"later", now=0)
    assert near.get(b"k", 0.9) is not None
    assert near.get(b"under way", 0) is near.get(b"later", 0) is None


def test_an_answer_that_was_overtaken_is_refused(near) -> None:
    mark = near.mark(0, EPOCH, 0)
    near.drop(b"k", 0)
    admit(near, b"k", mark=mark, now=0)
    mark = near.mark(0, EPOCH, 0)
    near.drop_partition(0)
    admit(near, b"k", mark=mark, now=0)
    assert near.get(b"k", 0) is None
    assert near.stats().refused == 2
    admit(near, b"k", now=0)
    assert near.get(b"k", 0) is not None


def test_a_partition_is_dropped_at_once_and_alone(near) -> None:
    for number in range(100):
        admit(near, b"0:%d" % number, now=0)
        admit(near, b"1:%d" % number, mark=near.mark(1, EPOCH, 0), now=0)
    near.drop_partition(0)
    assert not any(near.get(b"0:%d" % number, 0) for number in range(100))
    assert all(near.get(b"1:%d" % number, 0) for number in range(100))
    assert near.stats().dropped_partitions == 1


def test_its_bytes_are_bounded() -> None:
    near = told_of_changes(NearCache(max_bytes=100_000))
    for number in range(2_000):
        admit(near, b"k%d" % number, bytes(200), now=0, near_ms=60_000)
        if number % 100 == 0:
            assert near.stats().held_bytes <= 100_000
    stats = near.stats()
    assert stats.held_bytes <= 100_000
    assert stats.entries <= 100_000 // (ENTRY_BYTES + 200)
    assert stats.evicted > 1_500
    admit(near, b"larger than all", bytes(200_000), now=0)
    assert near.stats().held_bytes <= 100_000


def test_hits_age_and_drops_are_counted(near) -> None:
    admit(near, b"k", now=10)
    near.get(b"k", 10.75)
    near.get(b"k", 10.25)
    near.get(b"none", 10)
    near.drop(b"k", 0)
    near.drop(b"k", 0)
    stats = near.stats()
    assert (stats.hits, stats.misses, stats.dropped, stats.entries) == (2, 1, 1, 0)
    assert (stats.hit_age_seconds, stats.oldest_hit_seconds) == (0.25, 0.75)


class NearMachine(RuleBasedStateMachine):
    """Against a plain record of what the cluster has: never older than the grant, and never
    what this client has changed itself."""

    def __init__(self) -> None:
        super().__init__()
        self.near = told_of_changes()
        self.now = 0.0
        self.version = 0
        self.history: dict[bytes, list[tuple[int, float]]] = {}
        self.own: dict[bytes, int] = {}
        self.reads: list[tuple[bytes, int, Mark]] = []

    @rule(key=KEYS, own=st.booleans())
    def write(self, key: bytes, own: bool) -> None:
        if own:
            self.near.drop(key, partition_of(key))
        self.version += 1
        self.history.setdefault(key, []).append((self.version, self.now))
        if own:
            self.own[key] = self.version
            self.near.drop(key, partition_of(key))

    @rule(key=KEYS)
    def begin_to_read(self, key: bytes) -> None:
        if key in self.history:
            mark = self.near.mark(partition_of(key), EPOCH, self.now)
            self.reads.append((key, self.history[key][-1][0], mark))

    @rule(data=st.data())
    def end_to_read(self, data: Any) -> None:
        if self.reads:
            key, version, mark = self.reads.pop(data.draw(st.integers(0, len(self.reads) - 1)))
            self.near.admit(
                key,
                b"%d" % version,
                Version(EPOCH, version),
                ttl_ms=0,
                near_ms=10_000,
                mark=mark,
                now=self.now,
            )

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        # An answer is on its way for no time at all here: what is read is admitted now.
        while self.reads:
            key, version, mark = self.reads.pop()
            self.near.admit(
                key,
                b"%d" % version,
                Version(EPOCH, version),
                ttl_ms=0,
                near_ms=10_000,
                mark=mark,
                now=self.now,
            )
        self.now += seconds

    @rule(partition=st.integers(0, 1))
    def gap(self, partition: int) -> None:
        self.near.drop_partition(partition)

    @invariant()
    def answers_are_no_older_than_their_grant(self) -> None:
        for key, writes in self.history.items():
            held = self.near.get(key, self.now)
            if held is None:
                continue
            version = int(held.value)
            assert version >= self.own.get(key, 0)
            later = [at for other, at in writes if other > version]
            assert not later or self.now - later[0] < 10


TestNear = NearMachine.TestCase


def test_text_finds_what_its_bytes_hold_and_no_key_finds_nothing() -> None:
    near = told_of_changes()
    admit(near, "k\u00e9".encode(), near_ms=1000, now=0)
    assert near.get("k\u00e9", 0) is near.get("k\u00e9".encode(), 0) is not None
    for no_key in ("\ud800", 1, None, bytearray(b"k"), []):
        assert near.get(no_key, 0) is None


@pytest.mark.parametrize("settings", [{"max_bytes": 100}, {"without_grant": 0}])
def test_bounds_that_cannot_work_are_refused(settings) -> None:
    with pytest.raises(shoal.ConfigurationError):
        NearCache(**settings)


def test_a_hit_takes_little() -> None:
    """1.5 us are allowed; ten times that here, where others may be busy."""
    near = told_of_changes()
    admit(near, b"k", near_ms=60_000, now=0)
    best_seconds = min(timeit.repeat(lambda: near.get(b"k", 1.0), number=1000, repeat=20)) / 1000
    assert best_seconds < 15e-6
