"""What is dropped for what is told: against a cluster of plain dicts, with streams that are cut,
end, lose updates and overlap, and answers that take their time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from shoal._core.invalidations import Invalidations
from shoal._core.near import Mark, Near, NearCache
from shoal._values import Version

LONG_MS = 3_600_000


@dataclass
class Drops:
    """Writes down what it is told to drop and to follow."""

    said: list[str] = field(default_factory=list)

    def drop(self, key: bytes, partition: int) -> None:
        self.said.append(f"{partition}: {key.decode()}")

    def drop_partition(self, partition: int) -> None:
        self.said.append(f"{partition}: everything")

    def follow(self, partition: int, epoch: int) -> None:
        self.said.append(f"{partition}: follow {epoch}")

    def since(self) -> list[str]:
        said, self.said = self.said, []
        return said


@pytest.fixture
def drops() -> Drops:
    return Drops()


@pytest.fixture
def told(drops) -> Invalidations:
    """One that follows partition 7, at sequence 3 of epoch 2, on a stream of number 1."""
    made = Invalidations(drops)
    assert made.opened() == 1
    made.told(1, 7, 2, 3, ())
    assert drops.since() == ["7: follow 2"]
    return made


def test_the_next_in_sequence_drops_what_it_names(told, drops) -> None:
    told.told(1, 7, 2, 4, [b"a", b"b"])
    told.told(1, 7, 2, 5, [b"a"])
    assert drops.since() == ["7: a", "7: b", "7: a"]


def test_one_that_names_nothing_drops_the_partition(told, drops) -> None:
    told.told(1, 7, 2, 4, ())
    assert drops.since() == ["7: everything"]


@pytest.mark.parametrize("sequence", [0, 2, 3, 5, 99])
def test_a_gap_drops_the_partition(told, drops, sequence) -> None:
    told.told(1, 7, 2, sequence, [b"a"])
    assert drops.since() == ["7: everything"]
    told.told(1, 7, 2, sequence + 1, [b"a"])
    assert drops.since() == ["7: a"]


def test_the_same_position_again_drops_nothing(told, drops) -> None:
    told.told(1, 7, 2, 3, ())
    assert drops.since() == []


def test_a_new_epoch_drops_the_partition(told, drops) -> None:
    told.told(1, 7, 3, 0, ())
    assert drops.since() == ["7: follow 3", "7: everything"]
    told.told(1, 7, 3, 1, [b"a"])
    assert drops.since() == ["7: a"]


def test_a_node_that_serves_it_no_more_is_not_followed(told, drops) -> None:
    told.told(1, 7, 0, 0, ())
    assert drops.since() == ["7: follow 0", "7: everything"]
    told.told(1, 7, 0, 0, ())
    assert drops.since() == []


def test_who_serves_it_now_is_followed_and_who_did_is_not_heard(told, drops) -> None:
    stream = told.opened()
    told.told(stream, 7, 3, 0, ())
    drops.since()
    told.told(1, 7, 2, 4, [b"a"])
    told.told(1, 7, 0, 0, ())
    told.ended(1, has_lost=True)
    assert drops.since() == []


def test_of_two_streams_of_one_node_the_younger_is_heard(told, drops) -> None:
    stream = told.opened()
    told.told(stream, 7, 2, 3, ())
    assert drops.since() == ["7: follow 2"]
    for heard in (1, stream):
        told.told(heard, 7, 2, 4, [b"a"])
    assert drops.since() == ["7: a"]


def test_after_the_end_what_is_held_stays_until_the_position_is_known(told, drops) -> None:
    told.ended(1)
    assert drops.since() == ["7: follow 0"]
    told.told(told.opened(), 7, 2, 3, ())
    assert drops.since() == ["7: follow 2"]
    told.ended(2)
    told.told(told.opened(), 7, 2, 4, ())
    assert drops.since() == ["7: follow 0", "7: follow 2", "7: everything"]


def test_a_stream_that_lost_something_drops_everything_that_it_told_of(told, drops) -> None:
    told.told(1, 8, 5, 0, ())
    told.told(told.opened(), 9, 1, 0, ())
    drops.since()
    told.ended(1, has_lost=True)
    assert drops.since() == ["7: follow 0", "7: everything", "8: follow 0", "8: everything"]
    # Nothing was held since: the next position drops nothing.
    told.told(told.opened(), 7, 2, 9, ())
    assert drops.since() == ["7: follow 2"]


def test_the_topology_may_know_first(told, drops) -> None:
    told.learn([(7, 2), (8, 4)])
    assert drops.since() == []
    told.learn([(7, 3)])
    assert drops.since() == ["7: follow 0", "7: everything"]
    told.told(1, 7, 2, 4, [b"a"])
    told.told(1, 8, 3, 0, ())
    assert drops.since() == []
    told.told(1, 7, 3, 0, ())
    assert drops.since() == ["7: follow 3"]


@dataclass
class Stream:
    number: int
    node: int
    waiting: deque[tuple[int, int, int, tuple[bytes, ...]]] = field(default_factory=deque)
    is_cut: bool = False
    """The node has ended it, or cannot reach the client; the client does not know."""


@dataclass
class Partition:
    node: int = 0
    epoch: int = 1
    sequence: int = 0
    granted: set[bytes] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    """Streams that lost an update since the client was last told of it there."""


@dataclass
class Read:
    key: bytes
    mark: Mark
    answer: tuple[int, Version] | None = None


KEYS = (b"a", b"b", b"c")
WALKS, STEPS = 3000, 40


def partition_of(key: bytes) -> int:
    return 0 if key == b"a" else 1


class World:
    """A cluster, a client, and what lies between them. Each public method is a step.

    Grants never end here, so what is told must be enough. It begins as a client is after a
    while: it listens to both nodes, and holds something.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._near = Near(NearCache())
        self._told = Invalidations(self._near)
        self._partitions = [Partition(), Partition(node=1)]
        self._known_epochs = [1, 1]
        self._values: dict[bytes, tuple[int, Version]] = {}
        self._streams: list[Stream] = []
        self._youngest = {0: 0, 1: 0}
        self._asked: list[Read] = []
        self._answered: list[Read] = []
        self._written = 0
        for node in range(2):
            self._open(node)
            self._hear(self._streams[node])
        for key in KEYS:
            self._write(key)
            self._read(key)

    # The cluster.

    def write(self) -> None:
        key = self._rng.choice(KEYS)
        self._write(key)
        number = partition_of(key)
        granted = self._partitions[number].granted
        if key in granted:
            granted.discard(key)
            self._invalidate(number, (key,))

    def write_a_whole_partition(self) -> None:
        number = self._rng.randrange(2)
        for key in KEYS:
            if partition_of(key) == number:
                self._write(key)
        self._partitions[number].granted.clear()
        self._invalidate(number, ())

    def move(self) -> None:
        number, node = self._rng.randrange(2), self._rng.randrange(2)
        before = self._partitions[number]
        self._say(before.node, (number, 0, 0, ()))
        self._partitions[number] = Partition(node, before.epoch + 1)
        self._say(node, (number, before.epoch + 1, 0, ()))

    def answer(self) -> None:
        """By the primary of now, whomever the client has asked."""
        if self._asked:
            self._answer(self._taken(self._asked))

    # The network.

    def open(self) -> None:
        self._open(self._rng.randrange(2))

    def cut(self) -> None:
        if self._streams:
            self._rng.choice(self._streams).is_cut = True

    def end(self) -> None:
        if self._streams:
            has_lost = self._rng.random() < 0.5
            self._told.ended(self._taken(self._streams).number, has_lost=has_lost)

    def lose(self) -> None:
        """An update never arrives; the next one of its partition does."""
        if telling := self._telling():
            stream = self._rng.choice(telling)
            number, *_ = stream.waiting.popleft()
            self._partitions[number].lost.add(stream.number)

    # The client.

    def hear(self) -> None:
        if telling := self._telling():
            self._hear(self._rng.choice(telling), 1)

    def learn(self) -> None:
        self._learn(self._rng.randrange(2))

    def ask(self) -> None:
        self._ask(self._rng.choice(KEYS))

    def receive(self) -> None:
        if self._answered:
            self._admit(self._taken(self._answered))

    def read(self) -> None:
        self._read(self._rng.choice(KEYS))

    def come_to_rest(self) -> None:
        """Where the youngest stream of the primary lives, nothing stale is held once all is
        heard, and what is asked for is held."""
        for number in range(2):
            self._learn(number)
        while self._answered:
            self._admit(self._answered.pop())
        for stream in self._streams:
            self._hear(stream)
        living = {stream.number for stream in self._streams if not stream.is_cut}
        for key, (value, _) in self._values.items():
            partition = self._partitions[partition_of(key)]
            if self._youngest[partition.node] in living - partition.lost:
                held = self._near.get(key, 1)
                assert held is None or int(held.value) == value
                self._read(key)
                assert self._near.get(key, 1) is not None

    def _write(self, key: bytes) -> None:
        self._written += 1
        epoch = self._partitions[partition_of(key)].epoch
        self._values[key] = (self._written, Version(epoch, self._written))

    def _invalidate(self, number: int, keys: tuple[bytes, ...]) -> None:
        partition = self._partitions[number]
        partition.sequence += 1
        self._say(partition.node, (number, partition.epoch, partition.sequence, keys))

    def _say(self, node: int, update: tuple[int, int, int, tuple[bytes, ...]]) -> None:
        for stream in self._streams:
            if stream.node == node and not stream.is_cut:
                stream.waiting.append(update)

    def _open(self, node: int) -> None:
        stream = Stream(self._told.opened(), node)
        for number, partition in enumerate(self._partitions):
            if partition.node == node:
                stream.waiting.append((number, partition.epoch, partition.sequence, ()))
        self._streams.append(stream)
        self._youngest[node] = stream.number

    def _telling(self) -> list[Stream]:
        return [stream for stream in self._streams if stream.waiting]

    def _hear(self, stream: Stream, count: int = 1_000) -> None:
        while stream.waiting and count:
            count -= 1
            number, epoch, sequence, keys = stream.waiting.popleft()
            self._told.told(stream.number, number, epoch, sequence, keys)
            if epoch == self._partitions[number].epoch:
                self._partitions[number].lost.discard(stream.number)

    def _learn(self, number: int) -> None:
        self._known_epochs[number] = self._partitions[number].epoch
        self._told.learn([(number, self._known_epochs[number])])

    def _ask(self, key: bytes) -> None:
        number = partition_of(key)
        self._asked.append(Read(key, self._near.mark(number, self._known_epochs[number], 0)))

    def _answer(self, read: Read) -> None:
        read.answer = self._values[read.key]
        self._partitions[partition_of(read.key)].granted.add(read.key)
        self._answered.append(read)

    def _admit(self, read: Read) -> None:
        assert read.answer is not None
        value, version = read.answer
        told: dict[str, Any] = {"ttl_ms": 0, "near_ms": LONG_MS, "mark": read.mark, "now": 1}
        self._near.admit(read.key, b"%d" % value, version, **told)

    def _read(self, key: bytes) -> None:
        self._ask(key)
        self._answer(self._asked.pop())
        self._admit(self._answered.pop())

    def _taken(self, listed: list[Any]) -> Any:
        return listed.pop(self._rng.randrange(len(listed)))


STEPS_OF_A_WORLD = [
    name for name, step in vars(World).items() if callable(step) and not name.startswith("_")
]


def test_whatever_happens_nothing_stale_is_held_where_it_is_told() -> None:
    for seed in range(WALKS):
        rng = Random(seed)
        world, walked = World(rng), []
        try:
            for _ in range(rng.randrange(STEPS)):
                walked.append(rng.choice(STEPS_OF_A_WORLD))
                getattr(world, walked[-1])()
            world.come_to_rest()
        except AssertionError as error:
            error.add_note(f"seed {seed}: {', '.join(walked)}")
            raise
