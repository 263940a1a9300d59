"""A crowd that reads through caches in front of a real database, while something fails."""

from __future__ import annotations

import random
import sqlite3
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import shoal

ROWS = 300
CLIENTS = 2
THREADS_EACH = 12
MAX_LOADS = 3
"""Of each client's guard: the database may see ``CLIENTS * MAX_LOADS`` at once."""
PAUSE_SECONDS = 0.02
TTL = "1s"


def row_of(number: int) -> str:
    return f"row {number}"


class Database:
    """SQLite, which counts who asks it. Locked, it is slow, or down, as SQLite itself is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counting = threading.Lock()
        self._asking = 0
        self.most_asking = 0
        self.asked_at: list[float] = []
        self.busy_seconds = 60.0
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
            database.executemany(
                "INSERT INTO rows VALUES (?, ?)", [(each, row_of(each)) for each in range(ROWS)]
            )
        self._locker: sqlite3.Connection | None = None

    def read(self, number: int) -> str:
        """One query on a connection of its own."""
        with self._counting:
            self._asking += 1
            self.most_asking = max(self.most_asking, self._asking)
            self.asked_at.append(time.monotonic())
        try:
            with closing(sqlite3.connect(self._path, timeout=self.busy_seconds)) as database:
                query = "SELECT text FROM rows WHERE number = ?"
                text: str = database.execute(query, (number,)).fetchone()[0]
                return text
        finally:
            with self._counting:
                self._asking -= 1

    def lock(self, *, queries_wait: bool) -> None:
        """From now on queries wait until it is unlocked, or fail at once."""
        self.busy_seconds = 60.0 if queries_wait else 0.0
        self._locker = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._locker.execute("BEGIN EXCLUSIVE")

    def unlock(self) -> None:
        assert self._locker is not None
        self._locker.execute("ROLLBACK")
        self._locker.close()
        self.busy_seconds = 60.0

    def loads_per_second(self, since: float, until: float) -> float:
        asked_at = list(self.asked_at)
        return sum(since <= at < until for at in asked_at) / (until - since)


@dataclass(frozen=True, slots=True)
class Seen:
    """What callers saw in a span of time: calls by what became of them, and the median."""

    outcomes: Counter[str]
    per_second: float
    median_ms: float
    loads_per_second: float

    @property
    def failures(self) -> int:
        return self.outcomes.total() - self.outcomes["served"]

    def __str__(self) -> str:
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common())
        return (
            f"{self.per_second:.0f} calls/s, median {self.median_ms:.1f} ms, "
            f"{self.loads_per_second:.0f} loads/s: {told}"
        )


class Crowd:
    """Threads that read rows through the caches of several clients. Use as a context manager."""

    def __init__(
        self, seeds: list[str], database: Database, near: shoal.NearCache | None = None
    ) -> None:
        self._seeds = seeds
        # What the crowd before had under way in the same cluster is not this one's.
        self._keys = f"row:{uuid.uuid4()}"
        self._near = near
        self._database = database
        self._ended: list[tuple[float, float, str]] = []
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._clients: list[shoal.Client] = []
        self.caches: list[shoal.Cache] = []

    def __enter__(self) -> Self:
        self.connect()
        for number in range(CLIENTS * THREADS_EACH):
            thread = threading.Thread(target=self._read, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        for client in self._clients:
            client.close()

    def connect(self) -> None:
        """Give everybody a new client, which holds nothing; those before are closed at the end."""
        clients = [
            shoal.Client(self._seeds, timeout="500ms", near=self._near) for _ in range(CLIENTS)
        ]
        self._clients += clients
        guard = shoal.OriginGuard(max_loads=MAX_LOADS, max_wait="1s", failures=10, open_for="1s")
        self.caches = [client.cache(guard=guard, max_join="2s") for client in clients]

    def seen(self, since: float, until: float) -> Seen:
        """What calls that ended in this span were told."""
        ended = [each for each in list(self._ended) if since <= each[0] < until]
        return Seen(
            Counter(outcome for _, _, outcome in ended),
            len(ended) / (until - since),
            statistics.median(seconds * 1000 for _, seconds, _ in ended) if ended else 0.0,
            self._database.loads_per_second(since, until),
        )

    def watched(self, seconds: float, do: Callable[[], object] = lambda: None) -> Seen:
        """Do something, let so much time pass, and return what was seen meanwhile."""
        since = time.monotonic()
        do()
        while time.monotonic() < since + seconds:
            self._stop.wait(0.05)
        return self.seen(since, time.monotonic())

    def _read(self, number: int) -> None:
        rng = random.Random(number)
        while not self._stop.wait(PAUSE_SECONDS):
            # Half of all calls are for a few rows.
            row = rng.randrange(ROWS // 30 if rng.random() < 0.5 else ROWS)
            begun = time.monotonic()
            outcome = self._outcome(self.caches[number % CLIENTS], row)
            self._ended.append((time.monotonic(), time.monotonic() - begun, outcome))

    def _outcome(self, cache: shoal.Cache, row: int) -> str:
        try:
            text = cache.get_or_load(
                f"{self._keys}:{row}",
                lambda: self._database.read(row),
                ttl=TTL,
                stale_if_error="5s",
            )
        except shoal.LoadRefused as refused:
            return refused.reason
        except Exception as error:  # noqa: BLE001 - what a caller may see is the question
            return type(error).__name__
        if text != row_of(row):
            self.wrong.append(f"row {row} was served as {text!r}")
        return "served"
