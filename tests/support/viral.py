"""A key that many read: who reads it, and how old what they read is.

As a program, it is one process of a crowd: ``python -m viral ADDRESSES KEY SECONDS LOG``. It
reads one key as fast as it can, from its near cache where it may, and prints JSON lines: what
it did until the key was held, and then for so many seconds, once it reads a line. What the
origin is asked is a line in LOG.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import shoal

_READS_AT_ONCE = 8
_PAUSE_SECONDS = 0.02
_LOOK_SECONDS = 0.0002


class Heat:
    """Reads a key some hundred times a second, at its primary, so that it is hot."""

    def __init__(self, seeds: Sequence[str], key: str) -> None:
        self._client = shoal.Client(seeds, timeout="1s")
        self._key = key
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            try:
                for _ in range(_READS_AT_ONCE):
                    self._client.get(self._key)
            except shoal.ShoalError:
                continue  # The node is gone, or cut off: it is asked again.


def is_held(client: Any, key: str) -> bool:
    """Whether a read is answered from the client's memory."""
    hits = client.near_stats().hits
    client.get(key)
    return bool(client.near_stats().hits > hits)


def seconds_until_read(client: Any, key: str, number: int) -> float:
    """Read until a number, or a higher one, is read; return how long older ones were."""
    began = last_older = time.monotonic()
    while int(client.get(key)) < number:
        last_older = time.monotonic()
        time.sleep(_LOOK_SECONDS)
    return last_older - began


def main() -> None:
    addresses, key, seconds, log = sys.argv[1:]

    def ask_origin() -> bytes:
        with Path(log).open("a") as asked:
            asked.write("asked\n")
        return b"from the origin"

    with shoal.Client(addresses.split(","), timeout="10s", near=shoal.NearCache()) as client:
        cache = client.cache()
        began, reads = time.monotonic(), 0
        while not reads or not is_held(client, key):
            assert cache.get_or_load(key, ask_origin, ttl="1h") == b"from the origin"
            reads += 2
        _say(seconds=time.monotonic() - began, reads=reads)
        sys.stdin.readline()
        before = client.near_stats()
        began, cpu_began, calls = time.monotonic(), time.process_time(), 0
        while (took := time.monotonic() - began) < float(seconds):
            for _ in range(1000):
                client.get(key)
            cache.get_or_load(key, ask_origin, ttl="1h")
            calls += 1001
        cpu_seconds = time.process_time() - cpu_began
        after = client.near_stats()
        assert before is not None
        assert after is not None
        _say(seconds=took, reads=calls, hits=after.hits - before.hits, cpu_seconds=cpu_seconds)


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
