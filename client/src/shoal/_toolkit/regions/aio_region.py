"""``shoal.asyncio.Region``: see ``shoal.Region``."""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic
from typing import Any

from shoal._core.core import Core
from shoal._core.durations import Duration, duration_ms
from shoal._errors import ClientClosed, ShoalError
from shoal._toolkit.aio_runner import AioRunner
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import Recipe
from shoal._toolkit.regions.origin import RegionOrigin
from shoal._toolkit.regions.read_through import ReadThrough
from shoal._toolkit.regions.settings import WRITERS, Write, WriteSettings, not_flushed
from shoal._toolkit.regions.write_behind import WriteBehind
from shoal._toolkit.regions.write_queue import Taken
from shoal._toolkit.regions.write_through import WriteThrough
from shoal._values import ABSENT


class Region:
    """See ``shoal.Region``; functions and methods are to be awaited. Belongs to one event loop."""

    def __init__(
        self,
        core: Core,
        runner: AioRunner,
        loading: Loading,
        origin: RegionOrigin,
        recipe: Recipe,
        writes: WriteSettings,
        random: Random,
    ) -> None:
        """For ``cache.region`` alone."""
        self._runner = runner
        self._origin = origin
        self._reads = ReadThrough(origin, loading, recipe)
        self._through = WriteThrough(core, origin, loading, recipe)
        self._behind = WriteBehind(core, origin, loading, recipe)
        self._is_behind = writes.write is Write.BEHIND
        self._queue = writes.queue()
        self._random = random
        self._is_closed = False
        self._last_error: Exception | None = None
        self._changed = asyncio.Event()
        """Something may be due earlier than the writers think."""
        self._emptied = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []

    @property
    def queued(self) -> int:
        """How many writes have not reached the origin."""
        return len(self._queue)

    @property
    def last_error(self) -> Exception | None:
        """Why the last write behind failed; None after one that did not."""
        return self._last_error

    async def get(self, id: Any) -> Any:  # noqa: A002 - what callers call it
        """See ``shoal.Region``."""
        owed = self._queue.pending(self._origin.key(id))
        if owed is not None:
            return owed.value
        return await self._runner.run(self._reads.get(id))

    async def put(self, id: Any, value: Any) -> None:  # noqa: A002
        """See ``shoal.Region``."""
        key = self._origin.key(id)
        if self._is_closed:
            raise ClientClosed("this region is closed")
        self._runner.flights.detach(key)
        try:
            if not self._is_behind:
                await self._runner.run(self._through.put(id, value))
                return
            self._origin.writer(id, value)
            self._queue.put(key, id, value, monotonic())
            self._begin_writing()
            self._changed.set()
            await self._runner.run(self._behind.show(key, value))
        finally:
            self._runner.flights.detach(key)

    async def remove(self, id: Any) -> None:  # noqa: A002
        """See ``shoal.Region``."""
        await self.put(id, ABSENT)

    async def flush(self, timeout: Duration = "30s") -> None:
        """See ``shoal.Region``."""
        ends_at = monotonic() + duration_ms(timeout, "timeout") / 1000
        self._queue.hurry(monotonic())
        self._changed.set()
        while len(self._queue):
            self._emptied.clear()
            left_seconds = ends_at - monotonic()
            if left_seconds <= 0:
                raise not_flushed(self._origin.name, len(self._queue), self._last_error)
            await _wait(self._emptied, left_seconds)

    async def close(self, timeout: Duration = "30s") -> None:
        """See ``shoal.Region``."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self.flush(timeout)
        finally:
            writers, self._writers = self._writers, []
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)

    def _begin_writing(self) -> None:
        if not self._writers:
            self._writers = [asyncio.ensure_future(self._write_on()) for _ in range(WRITERS)]

    async def _write_on(self) -> None:
        while True:
            taken = self._queue.take(monotonic())
            if taken is not None:
                await self._write(taken)
            else:
                self._changed.clear()
                await _wait(self._changed, self._queue.wait_seconds(monotonic()))

    async def _write(self, taken: Taken) -> None:
        try:
            await self._runner.run(self._behind.write(taken))
        except Exception as error:  # noqa: BLE001 - it is written again
            self._last_error = error
            self._queue.failed(taken, monotonic(), self._random)
            return
        self._last_error = None
        try:
            await self._runner.run(self._behind.correct(taken))
        except ShoalError as error:
            self._last_error = error
        finally:
            self._queue.done(taken, monotonic())
            self._changed.set()
            if not len(self._queue):
                self._emptied.set()


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
