"""What is dropped for what is told: against a cluster of plain dicts, with streams that are cut,
end, lose updates and overlap, and answers that take their time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

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


KEYS = st.sampled_from([b"a", b"b", b"c"])
NODES = st.integers(0, 1)
PARTITIONS = st.integers(0, 1)


def partition_of(key: bytes) -> int:
    return 0 if key == b"a" else 1


class Told(RuleBasedStateMachine):
    """Grants never end here, so what is told must be enough.

    It begins as a client is after a while: it listens to both nodes, and holds something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near = Near(NearCache())
        self.told = Invalidations(self.near)
        self.partitions = [Partition(), Partition(node=1)]
        self.known_epochs = [1, 1]
        self.values: dict[bytes, tuple[int, Version]] = {}
        self.streams: list[Stream] = []
        self.youngest = {0: 0, 1: 0}
        self.reads: list[Read] = []
        self.written = 0
        for node in range(2):
            self.open(node)
            self.hear(self.streams[node])
        for key in (b"a", b"b", b"c"):
            self.write(key)
            self.read(key)

    def teardown(self) -> None:
        self.come_to_rest()

    # The cluster.

    @rule(key=KEYS)
    def write(self, key: bytes) -> None:
        number = partition_of(key)
        partition = self.partitions[number]
        self.written += 1
        self.values[key] = (self.written, Version(partition.epoch, self.written))
        if key in partition.granted:
            partition.granted.discard(key)
            self.invalidate(number, (key,))

    @rule(number=PARTITIONS)
    def write_all(self, number: int) -> None:
        partition = self.partitions[number]
        for key in self.values:
            if partition_of(key) == number:
                self.written += 1
                self.values[key] = (self.written, Version(partition.epoch, self.written))
        partition.granted.clear()
        self.invalidate(number, ())

    def invalidate(self, number: int, keys: tuple[bytes, ...]) -> None:
        partition = self.partitions[number]
        partition.sequence += 1
        self.say(partition.node, (number, partition.epoch, partition.sequence, keys))

    @rule(number=PARTITIONS, node=NODES)
    def move(self, number: int, node: int) -> None:
        before = self.partitions[number]
        self.say(before.node, (number, 0, 0, ()))
        self.partitions[number] = Partition(node, before.epoch + 1)
        self.say(node, (number, before.epoch + 1, 0, ()))

    def say(self, node: int, update: tuple[int, int, int, tuple[bytes, ...]]) -> None:
        for stream in self.streams:
            if stream.node == node and not stream.is_cut:
                stream.waiting.append(update)

    @precondition(lambda self: self.asked())
    @rule(data=st.data())
    def answer(self, data: Any) -> None:
        """By the primary of now, whomever the client has asked."""
        self.answer_to(data.draw(st.sampled_from(self.asked())))

    def asked(self) -> list[Read]:
        return [read for read in self.reads if read.answer is None]

    def answer_to(self, read: Read) -> None:
        read.answer = self.values[read.key]
        self.partitions[partition_of(read.key)].granted.add(read.key)

    # The network.

    @rule(node=NODES)
    def open(self, node: int) -> None:
        stream = Stream(self.told.opened(), node)
        for number, partition in enumerate(self.partitions):
            if partition.node == node:
                stream.waiting.append((number, partition.epoch, partition.sequence, ()))
        self.streams.append(stream)
        self.youngest[node] = stream.number

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def cut(self, data: Any) -> None:
        data.draw(st.sampled_from(self.streams)).is_cut = True

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), has_lost=st.booleans())
    def end(self, data: Any, has_lost: bool) -> None:
        stream = data.draw(st.sampled_from(self.streams))
        self.streams.remove(stream)
        self.told.ended(stream.number, has_lost=has_lost)

    @precondition(lambda self: self.telling())
    @rule(data=st.data())
    def lose(self, data: Any) -> None:
        """An update never arrives; the next one of its partition does."""
        stream = data.draw(st.sampled_from(self.telling()))
        number, *_ = stream.waiting.popleft()
        self.partitions[number].lost.add(stream.number)

    def telling(self) -> list[Stream]:
        return [stream for stream in self.streams if stream.waiting]

    # The client.

    @precondition(lambda self: self.telling())
    @rule(data=st.data())
    def hear_one(self, data: Any) -> None:
        self.hear(data.draw(st.sampled_from(self.telling())), 1)

    def hear(self, stream: Stream, count: int = 1_000) -> None:
        while stream.waiting and count:
            count -= 1
            number, epoch, sequence, keys = stream.waiting.popleft()
            self.told.told(stream.number, number, epoch, sequence, keys)
            if epoch == self.partitions[number].epoch:
                self.partitions[number].lost.discard(stream.number)

    @rule(number=PARTITIONS)
    def learn(self, number: int) -> None:
        self.known_epochs[number] = self.partitions[number].epoch
        self.told.learn([(number, self.known_epochs[number])])

    @rule(key=KEYS)
    def ask(self, key: bytes) -> None:
        number = partition_of(key)
        self.reads.append(Read(key, self.near.mark(number, self.known_epochs[number], 0)))

    @precondition(lambda self: self.answered())
    @rule(data=st.data())
    def receive(self, data: Any) -> None:
        self.admit(data.draw(st.sampled_from(self.answered())))

    def answered(self) -> list[Read]:
        return [read for read in self.reads if read.answer is not None]

    def admit(self, read: Read) -> None:
        self.reads.remove(read)
        assert read.answer is not None
        value, version = read.answer
        told: dict[str, Any] = {"ttl_ms": 0, "near_ms": LONG_MS, "mark": read.mark, "now": 1}
        self.near.admit(read.key, b"%d" % value, version, **told)

    @rule(key=KEYS)
    def read(self, key: bytes) -> None:
        self.ask(key)
        self.answer_to(self.reads[-1])
        self.admit(self.reads[-1])

    @rule()
    def come_to_rest(self) -> None:
        """Where the youngest stream of the primary lives, nothing stale is held once all is
        heard, and what is asked for is held."""
        for number in range(2):
            self.learn(number)
        for read in self.answered():
            self.admit(read)
        for stream in self.streams:
            self.hear(stream)
        living = {stream.number for stream in self.streams if not stream.is_cut}
        for key, (value, _) in self.values.items():
            partition = self.partitions[partition_of(key)]
            if self.youngest[partition.node] in living - partition.lost:
                held = self.near.get(key, 1)
                assert held is None or int(held.value) == value
                self.read(key)
                assert self.near.get(key, 1) is not None


TestTold = Told.TestCase
TestTold.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
