"""One process of readers of a viral key: ``python -m bench.readers ADDRESS KEY``.

An application's own way: ``get_or_load`` with a fresh time, in front of a near cache. Prints
``ready`` once the key is held near; then for each line it reads, a number of seconds, it
reads for so long and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import shoal

VALUE = {"name": "a kettle", "price_cents": 1999, "text": "x" * 900}
LOAD_SECONDS = 0.05
TTL_SECONDS, FRESH_SECONDS = 20, 1
_READY_SECONDS_MAX = 30.0
_LOOK_EVERY = 1_000
"""Reads between two looks at the clock."""


class _Origin:
    loads = 0

    def load(self) -> dict[str, object]:
        self.loads += 1
        time.sleep(LOAD_SECONDS)
        return VALUE


def _main(address: str, key: str) -> None:
    origin = _Origin()
    with shoal.Client([address], timeout="10s", near=shoal.NearCache()) as client:
        cache = client.cache()

        def held() -> int:
            stats = client.near_stats()
            assert stats is not None
            return stats.hits

        def read(reads: int) -> int:
            """Read so often; how many answers were wrong."""
            wrong = 0
            for _ in range(reads):
                found = cache.get_or_load(key, origin.load, ttl=TTL_SECONDS, fresh=FRESH_SECONDS)
                wrong += found != VALUE
            return wrong

        give_up = time.monotonic() + _READY_SECONDS_MAX
        while held() < _LOOK_EVERY:
            if time.monotonic() > give_up:
                sys.exit(f"the key was not held near within {_READY_SECONDS_MAX:.0f} s")
            read(_LOOK_EVERY)
        print("ready", flush=True)
        while line := sys.stdin.readline():
            reads = wrong = 0
            loads_before, began = origin.loads, time.monotonic()
            while time.monotonic() < began + float(line):
                wrong += read(_LOOK_EVERY)
                reads += _LOOK_EVERY
            told = {
                "reads": reads,
                "wrong": wrong,
                "loads": origin.loads - loads_before,
                "seconds": time.monotonic() - began,
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
