"""A network of loopback and proxies: for machines that allow nothing else.

Between a node and etcd stands a proxy of that node; in front of each node stands one for
everybody, as all that comes to it has one address. So a cut between two nodes cuts the
front of the target from everyone: coarser than ``namespaces``, and as hard.

A cut holds bytes back while connections stay open, as a network that loses packets does
to TCP: on healing they arrive late. One thread runs all proxies.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from tools.soak.network import Address

from shoal.cli.up.ports import HOST, free_ports

_CHUNK_BYTES = 16_384
_ANYONE = ""


@dataclass
class Flow:
    """One direction of a link: what may pass now."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    bytes_per_second: int = 0
    """0: no bound."""
    stopped: int = 0
    """Chunks held back or delayed."""
    free_at: float = 0.0

    def __post_init__(self) -> None:
        self.open.set()

    async def pass_on(self, size: int) -> None:
        """Return when so many bytes may pass."""
        if not self.open.is_set():
            self.stopped += 1
            await self.open.wait()
        if self.bytes_per_second:
            now = time.monotonic()
            self.free_at = max(now, self.free_at) + size / self.bytes_per_second
            self.stopped += 1
            await asyncio.sleep(self.free_at - now)


class Link:
    """A proxy to one address: ``there`` and ``back`` are its two directions."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self.there, self.back = Flow(), Flow()
        self.server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Address:
        self.server = await asyncio.start_server(self._serve, HOST, 0)
        return Address(HOST, self.server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        if self.server is not None:
            self.server.close()
        self.drop()

    def drop(self) -> None:
        """Close every connection; what was held back is lost."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            # A connection is made by packets of both directions.
            await self.there.pass_on(0)
            await self.back.pass_on(0)
            far_reader, far_writer = await asyncio.open_connection(
                self._target.host, self._target.port
            )
            pumps = [
                asyncio.ensure_future(_pump(reader, far_writer, self.there)),
                asyncio.ensure_future(_pump(far_reader, writer, self.back)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, far_writer):
                if end is not None:
                    end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flow: Flow) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        await flow.pass_on(len(data))
        writer.write(data)
        await writer.drain()


class Proxies:
    """See ``Network``."""

    kind = "loopback with proxies"

    def __init__(self) -> None:
        # Not by a seed: several clusters may draw at once.
        self._free = free_ports(random.SystemRandom())
        self._links: dict[tuple[str, str], tuple[Link, Address]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(self, place: str) -> Address:  # noqa: ARG002
        return Address(HOST, next(self._free))

    def within(self, place: str, argv: Sequence[str]) -> list[str]:  # noqa: ARG002
        return list(argv)

    def reach(self, source: str, target: str, listener: Address) -> Address:
        known = self._links.get((source, target))
        if known is None:
            link = Link(listener)
            known = (link, self._run(link.start()))
            self._links[source, target] = known
        return known[1]

    def cut(self, source: str, target: str) -> None:
        for flow in self._flows(source, target):
            self._loop.call_soon_threadsafe(flow.open.clear)

    def drop(self, source: str, target: str) -> None:
        """Close the connections from ``source`` ("": from anyone) to ``target``.

        What a cut has held back on them is lost, and not late: so it is where a machine
        dies behind a cut, or a middlebox forgets its connections.
        """
        link, _ = self._links[source, target]

        async def close() -> None:
            link.drop()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    def slow(self, place: str, bytes_per_second: int) -> None:
        for flow in self._leaving(place):
            flow.bytes_per_second = bytes_per_second

    def stopped(self) -> int:
        return sum(link.there.stopped + link.back.stopped for link, _ in self._links.values())

    def heal(self) -> None:
        def open_all() -> None:
            for link, _ in self._links.values():
                for flow in (link.there, link.back):
                    flow.open.set()
                    flow.bytes_per_second = flow.stopped = 0

        self._loop.call_soon_threadsafe(open_all)

    def close(self) -> None:
        async def stop() -> None:
            for link, _ in self._links.values():
                link.stop()
            await asyncio.sleep(0.05)

        with contextlib.suppress(TimeoutError):
            self._run(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _flows(self, source: str, target: str) -> list[Flow]:
        """What carries bytes from ``source`` to ``target``: links of their own if there are
        any, else the ones for everybody."""
        own, of_anyone = (
            ((source, target), (target, source)),
            ((_ANYONE, target), (_ANYONE, source)),
        )
        for asked, answered in (own, of_anyone):
            flows = [self._links[asked][0].there] if asked in self._links else []
            flows += [self._links[answered][0].back] if answered in self._links else []
            if flows:
                return flows
        return []

    def _leaving(self, place: str) -> list[Flow]:
        return [link.there for (source, _), (link, _) in self._links.items() if source == place] + [
            link.back for (_, target), (link, _) in self._links.items() if target == place
        ]

    def _run(self, work: object) -> Address:
        future: Future[Address] = asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[arg-type]
        return future.result(10)
