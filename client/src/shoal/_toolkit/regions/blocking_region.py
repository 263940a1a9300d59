"""``shoal.Region``: one kind of thing, read and written through the cache."""

from __future__ import annotations

import threading
from random import Random
from time import monotonic
from typing import Any

from shoal._core.core import Core
from shoal._core.durations import Duration, duration_ms
from shoal._errors import ClientClosed, ShoalError
from shoal._toolkit.blocking_runner import BlockingRunner
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
    """Made by ``cache.region(...)``. May be shared by threads. Close it, or its cache."""

    def __init__(
        self,
        core: Core,
        runner: BlockingRunner,
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
        self._changed = threading.Condition()
        self._writers: list[threading.Thread] = []

    @property
    def queued(self) -> int:
        """How many writes have not reached the origin."""
        return len(self._queue)

    @property
    def last_error(self) -> Exception | None:
        """Why the last write behind failed; None after one that did not."""
        return self._last_error

    def get(self, id: Any) -> Any:  # noqa: A002 - what callers call it
        """Return the value of one thing, or ABSENT; load it where the cache has none."""
        with self._changed:
            owed = self._queue.pending(self._origin.key(id))
            if owed is not None:
                return owed.value
        return self._runner.run(self._reads.get(id))

    def put(self, id: Any, value: Any) -> None:  # noqa: A002
        """Write a value; ``shoal.ABSENT`` removes it.

        Through: raises what the origin raises, and nothing has changed then. A ShoalError
        with a note that the origin has the value means that the cache may serve the old one.
        Behind: raises ResourceExhausted when the queue is full.
        """
        key = self._origin.key(id)
        if self._is_closed:
            raise ClientClosed("this region is closed")
        self._runner.flights.detach(key)
        try:
            if not self._is_behind:
                self._runner.run(self._through.put(id, value))
                return
            self._origin.writer(id, value)
            with self._changed:
                self._queue.put(key, id, value, monotonic())
                self._begin_writing()
                self._changed.notify_all()
            self._runner.run(self._behind.show(key, value))
        finally:
            self._runner.flights.detach(key)

    def remove(self, id: Any) -> None:  # noqa: A002
        """Remove one thing from the origin and the cache."""
        self.put(id, ABSENT)

    def flush(self, timeout: Duration = "30s") -> None:
        """Write at once what waits. Raises DeadlineExceeded (NOT_FLUSHED) with what is left."""
        ends_at = monotonic() + duration_ms(timeout, "timeout") / 1000
        with self._changed:
            self._queue.hurry(monotonic())
            self._changed.notify_all()
            while len(self._queue):
                left_seconds = ends_at - monotonic()
                if left_seconds <= 0:
                    raise not_flushed(self._origin.name, len(self._queue), self._last_error)
                self._changed.wait(left_seconds)

    def close(self, timeout: Duration = "30s") -> None:
        """Flush, then end. What is left when the time is over is told, and lost. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.flush(timeout)
        finally:
            with self._changed:
                writers, self._writers = self._writers, []
                self._changed.notify_all()
            for writer in writers:
                writer.join(1)

    def _begin_writing(self) -> None:
        if not self._writers:
            self._writers = [
                threading.Thread(target=self._write_on, name="shoal-write-behind", daemon=True)
                for _ in range(WRITERS)
            ]
            for writer in self._writers:
                writer.start()

    def _write_on(self) -> None:
        while True:
            with self._changed:
                taken = self._queue.take(monotonic())
                if taken is None:
                    if not self._writers:
                        return
                    self._changed.wait(self._queue.wait_seconds(monotonic()))
                    continue
            self._write(taken)

    def _write(self, taken: Taken) -> None:
        try:
            self._runner.run(self._behind.write(taken))
        except Exception as error:  # noqa: BLE001 - it is written again
            with self._changed:
                self._last_error = error
                self._queue.failed(taken, monotonic(), self._random)
            return
        self._last_error = None
        try:
            self._runner.run(self._behind.correct(taken))
        except ShoalError as error:
            self._last_error = error
        finally:
            with self._changed:
                self._queue.done(taken, monotonic())
                self._changed.notify_all()
