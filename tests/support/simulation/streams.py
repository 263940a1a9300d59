"""What nodes say to each other: streams of replication, and questions about copies.

A stream keeps the order of its messages, and loses none while it stands; it may stand
for long without carrying any, each way by itself, and break at any moment, which its two
ends notice at different times. Between streams there is no order.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from shoal_coordinator.registry.records import CopyId, PartitionId
from shoal_node.hearing import PeerCopy, Position
from shoal_node.peers import PeerSilent
from simulation.coroutines import Task
from simulation.events import Events

if TYPE_CHECKING:
    from shoal_node._bridge import SimulatedMessage
    from simulation.process import Process

_WINDOW = 3
"""Messages on their way in one direction; the sender waits for room."""
_ASK_US = 200_000


class Stream:
    """From a follower's process to its primary's."""

    def __init__(self, key: str, follower: Process, primary: Process) -> None:
        self.key = key
        self.ends = (follower, primary)
        self.is_over = [False, False]
        self.arrives_us = [0, 0]
        self.queues: tuple[deque[SimulatedMessage | None], ...] = (deque(), deque())
        """On their way, by sender. None: that the stream is there."""
        self.pumps_ms = [0, 0]
        """When each end has more to say, if that is known."""


class Streams:
    """All of them, and the ways between nodes."""

    def __init__(self, events: Events, rng: random.Random) -> None:
        self.find: Callable[[str], Process | None] = lambda _node: None
        self.cut_until_us: dict[tuple[str, str], int] = {}
        """By (from, to)."""
        self.slow_until_us = 0
        self._events = events
        self._rng = rng
        self._numbers = itertools.count(1)
        self._streams: dict[tuple[str, str], Stream] = {}
        """By follower and primary: the newest."""
        self._calling: set[tuple[str, str]] = set()

    def heal(self) -> None:
        self.cut_until_us.clear()
        self.slow_until_us = 0

    # Making them.

    def attend(self, follower: Process) -> None:
        """Have a stream to everybody whom this process follows, and say what is new."""
        for primary in follower.plane.copies.leads():
            stream = self._streams.get((follower.name, primary))
            if stream is None or stream.is_over[0] or stream.ends[0] is not follower:
                self._call(follower, primary, self._rng.uniform(500, 3_000))
            else:
                self._pump(stream, 0)

    def _call(self, follower: Process, primary: str, delay_us: float) -> None:
        if (follower.run, primary) not in self._calling:
            self._calling.add((follower.run, primary))
            follower.after(delay_us, self._connect, follower, primary)

    def _connect(self, follower: Process, name: str) -> None:
        self._calling.discard((follower.run, name))
        if name not in follower.plane.copies.leads():
            return
        primary = self.find(name)
        ways = (follower.name, name), (name, follower.name)
        if primary is None or any(self._cut_us(*way) for way in ways):
            self._call(follower, name, self._rng.uniform(50_000, 300_000))
            return
        stream = Stream(f"{follower.name}#{next(self._numbers)}", follower, primary)
        self._streams[follower.name, name] = stream
        self._post(stream, 0, None)
        follower.plane.copies.connected(name)
        self._pump(stream, 0)

    # Carrying messages. An end's number: 0 the follower, 1 the primary.

    def news_of(self, primary: Process) -> None:
        """It has something to send, perhaps."""
        for stream in self._streams.values():
            if stream.ends[1] is primary and not stream.is_over[1]:
                self._pump(stream, 1)

    def _pump(self, stream: Stream, end: int) -> None:
        me = stream.ends[end]
        if stream.is_over[end] or not me.is_alive or len(stream.queues[end]) >= _WINDOW:
            return
        copies, now_ms = me.plane.copies, me.now_ms()
        if end == 0:
            messages, later_ms = copies.next_of_follower(stream.ends[1].name, now_ms)
        else:
            known = copies.news()
            messages, later_ms = copies.next_of_primary(stream.key, now_ms)
            if copies.news() != known:
                # Another stream may have been told, whose task the hub would wake.
                me.after(0, self.news_of, me)
        for message in messages:
            self._post(stream, end, message)
        if later_ms and stream.pumps_ms[end] != later_ms:
            stream.pumps_ms[end] = later_ms
            me.after(max(1, later_ms - now_ms) * 1_000, self._pump_again, stream, end)

    def _pump_again(self, stream: Stream, end: int) -> None:
        stream.pumps_ms[end] = 0
        self._pump(stream, end)

    def _post(self, stream: Stream, end: int, message: SimulatedMessage | None) -> None:
        stream.queues[end].append(message)
        now_us = self._events.now_us
        arrives_us = max(stream.arrives_us[end], now_us + int(self._delay_us()))
        stream.arrives_us[end] = arrives_us
        to = stream.ends[1 - end]
        self._events.after(arrives_us - now_us, to, self._deliver, stream, end)

    def _deliver(self, stream: Stream, end: int) -> None:
        """The next message of this end arrives."""
        sender, receiver = stream.ends[end], stream.ends[1 - end]
        if stream.is_over[1 - end]:
            return
        cut_us = self._cut_us(sender.name, receiver.name)
        if cut_us:
            # It is sent again until it gets there.
            again_us = cut_us + self._rng.uniform(100, 5_000)
            self._events.after(again_us, receiver, self._deliver, stream, end)
            return
        message = stream.queues[end].popleft()
        copies = receiver.plane.copies
        if message is None:
            copies.accept(stream.key)
        else:
            copies.take(stream.key if end == 0 else sender.name, message, receiver.now_ms())
        self._pump(stream, 1 - end)
        if len(stream.queues[end]) == _WINDOW - 1:
            sender.after(0, self._pump, stream, end)
        receiver.heard()

    def _delay_us(self) -> float:
        if self._events.now_us < self.slow_until_us:
            return self._rng.uniform(5_000, 400_000)
        return 100 + 1_900 * self._rng.random()

    def _cut_us(self, sender: str, receiver: str) -> int:
        left_us = self.cut_until_us.get((sender, receiver), 0) - self._events.now_us
        return max(0, left_us)

    # Ending them.

    def break_some(self) -> None:
        """Some streams break, wherever they are."""
        for stream in list(self._streams.values()):
            if self._rng.random() < 0.4:
                self.break_off(stream)

    def ended(self, process: Process) -> None:
        """A process is gone: its peers notice."""
        for stream in self._streams.values():
            if process in stream.ends:
                self.break_off(stream)

    def break_off(self, stream: Stream) -> None:
        for end, process in enumerate(stream.ends):
            delay_us = self._rng.choice((500.0, 20_000.0, 400_000.0))
            self._events.after(delay_us, process, self._notice, stream, end)

    def _notice(self, stream: Stream, end: int) -> None:
        if stream.is_over[end]:
            return
        stream.is_over[end] = True
        process = stream.ends[end]
        if end == 1:
            process.plane.copies.hang_up(stream.key)
            process.heard()
        self.attend(process)

    # Questions.

    def reaches(self, sender: str, receiver: str) -> bool:
        return not self._cut_us(sender, receiver)

    def delay_us(self) -> float:
        return self._delay_us()


class _Question:
    """Which copies a node has, awaited."""

    def __init__(self, streams: Streams, peer: str, partitions: Sequence[PartitionId]) -> None:
        self._streams = streams
        self._peer = peer
        self._partitions = partitions

    def __await__(self) -> Generator[_Question, object, object]:
        return (yield self)

    def begin(self, task: Task, turn: int) -> None:
        host, streams = task.host, self._streams
        host.after(_ASK_US, task.step, turn, None, PeerSilent(f"{self._peer} is silent"))
        peer = streams.find(self._peer)
        if peer is not None and streams.reaches(host.name, self._peer):
            host.events.after(streams.delay_us(), peer, self._answer, peer, task, turn)

    def _answer(self, peer: Process, task: Task, turn: int) -> None:
        streams, host = self._streams, task.host
        if streams.reaches(peer.name, host.name):
            told = {it: copy for it in self._partitions if (copy := _copy(peer, it)) is not None}
            host.events.after(streams.delay_us(), host, task.step, turn, told)


def _copy(peer: Process, partition: PartitionId) -> PeerCopy | None:
    copies = peer.plane.copies
    role, copy_id = copies.role(partition), copies.copy_id(partition)
    if role is None or copy_id is None:
        return None
    epoch, seq = copies.position(partition)
    is_whole = role != "restoring"
    return PeerCopy(partition, CopyId(copy_id), Position(epoch, seq), is_whole=is_whole)


class SimulatedPeers:
    """``Peers`` over the ways between nodes. An address is a node's name."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def copies(
        self, address: str, partitions: Sequence[PartitionId]
    ) -> dict[PartitionId, PeerCopy]:
        told = await _Question(self._streams, address, partitions)
        assert isinstance(told, dict)
        return told

    async def close(self) -> None:
        """Nothing is held."""
