"""Stores data in a cluster, and verifies it while the cluster is restarted or scaled.

Every value is known from its key and from how often it was written. The end is one line of
JSON; exit code 1 tells that something was lost, wrong or refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

import shoal

AT_ONCE = 500
VALUE_BYTES = 1024
PAUSE_SECONDS = 0.5


@dataclass
class Found:
    """What came of it. ``errors`` by reason, ``wrong`` the first keys."""

    keys: int = 0
    reads: int = 0
    writes: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    counted: int = 0
    counter: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        is_whole = self.lost == 0 and not self.wrong and not self.errors
        return is_whole and self.counter == self.counted


class Verifier:
    """``writes[n]`` is how often key ``n`` was written and acknowledged by every copy in sync."""

    def __init__(self, client: shoal.Client, run: str, keys: int) -> None:
        self.found = Found(keys=keys)
        self._client = client
        self._run = run
        self._writes = [0] * keys

    def store(self) -> None:
        for first in range(0, self.found.keys, AT_ONCE):
            self._write(range(first, min(first + AT_ONCE, self.found.keys)))

    def turn(self, lot: random.Random) -> None:
        """Read some, write some, count."""
        self._read(lot.sample(range(self.found.keys), min(AT_ONCE, self.found.keys)))
        self._write(lot.sample(range(self.found.keys), min(AT_ONCE // 10, self.found.keys)))
        try:
            self._client.incr(self._counter, 1, initial=0)
            self.found.counted += 1
        except shoal.ShoalError as error:
            self.found.errors[error.reason] += 1

    def end(self) -> None:
        """Read everything."""
        for first in range(0, self.found.keys, AT_ONCE):
            self._read(range(first, min(first + AT_ONCE, self.found.keys)))
        value = self._client.get(self._counter)
        self.found.counter = int(value) if value is not shoal.MISSING else 0

    @property
    def _counter(self) -> str:
        return f"verify:{self._run}:counter"

    def _key(self, number: int) -> str:
        return f"verify:{self._run}:{number}"

    def _value(self, number: int, writes: int) -> bytes:
        mark = hashlib.blake2b(f"{self._key(number)}/{writes}".encode()).digest()
        return mark * (VALUE_BYTES // len(mark))

    def _write(self, numbers: range | list[int]) -> None:
        values = {self._key(it): self._value(it, self._writes[it] + 1) for it in numbers}
        try:
            results = self._client.set_many(values, ttl="1h", ack="in_sync")
        except shoal.ShoalError as error:
            self.found.errors[error.reason] += 1
            return
        assert len(results) == len(values)
        for number in numbers:
            self._writes[number] += 1
        self.found.writes += len(values)

    def _read(self, numbers: range | list[int]) -> None:
        try:
            got = self._client.get_many([self._key(it) for it in numbers])
        except shoal.ShoalError as error:
            self.found.errors[error.reason] += 1
            return
        for number in numbers:
            value = got[self._key(number)]
            if value is shoal.MISSING:
                self.found.lost += 1
            elif value != self._value(number, self._writes[number]):
                self.found.wrong = [*self.found.wrong, self._key(number)][:10]
        self.found.reads += len(numbers)


def wait_until_served(client: shoal.Client, within_seconds: float) -> int:
    """Return how many partitions there are, once a live node serves each."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            topology = client.topology(timeout="2s")
            served = sum(it.primary in topology.nodes for it in topology.partitions)
            if topology.partition_count and served == topology.partition_count:
                return served
            seen = f"{served} of {topology.partition_count} partitions are served"
        except shoal.ShoalError as error:
            seen = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"verify: not within {within_seconds:g} s: {seen}")
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--wait", type=float, default=600.0, help="for the cluster to be there")
    told = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32)
    with shoal.Client.from_url(told.url, timeout="10s") as client:
        partitions = wait_until_served(client, told.wait)
        print(f"verify: {partitions} partitions are served; seed {seed}", flush=True)
        verifier = Verifier(client, f"{seed:x}", told.keys)
        verifier.store()
        lot, ends = random.Random(seed), time.monotonic() + told.seconds
        while time.monotonic() < ends:
            verifier.turn(lot)
            time.sleep(PAUSE_SECONDS / 10)
        verifier.end()
    print(json.dumps({"good": verifier.found.is_good, **asdict(verifier.found)}), flush=True)
    sys.exit(0 if verifier.found.is_good else 1)


if __name__ == "__main__":
    main()
