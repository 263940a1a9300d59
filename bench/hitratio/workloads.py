"""The loads: two traces of real systems, and five that are drawn by lot from fixed seeds.

A load is a list of keys in order, with the size of each one's value. Nothing here knows of
caches. See ``bench/README.md`` for what each load is there for.
"""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# A value of 1,000 bytes fits Redis's allocator (a class of 1,024) as well as ours.
UNIT_VALUE_BYTES = 1000
# The sizes of the block trace are taken at a sixteenth, so that its data fits any machine.
SIZE_DIVISOR = 16
VALUE_BYTES_MAX = 1 << 20
RECORD = np.dtype([("key", "<u8"), ("value_bytes", "<u4")])

Keys = NDArray[np.uint64]


class MissingTrace(Exception):
    """A trace is not there; the text says which, and how to say where it is."""


@dataclass(frozen=True, slots=True)
class Workload:
    """``is_unit``: every value has the same size, so entries may be counted."""

    name: str
    keys: Keys
    value_bytes: NDArray[np.uint32]
    is_unit: bool = True

    @property
    def distinct(self) -> int:
        return len(np.unique(self.keys))

    def first_of_each(self) -> Workload:
        """Every key once, as it was first asked for: what fills a cache to its footprint."""
        _, first = np.unique(self.keys, return_index=True)
        first.sort()
        return Workload(self.name, self.keys[first], self.value_bytes[first], self.is_unit)

    def write(self, path: Path) -> None:
        """As the replayer reads it."""
        records = np.empty(len(self.keys), RECORD)
        records["key"] = self.keys
        records["value_bytes"] = self.value_bytes
        path.write_bytes(records.tobytes())


def _unit(name: str, keys: Keys) -> Workload:
    return Workload(name, keys, np.full(len(keys), UNIT_VALUE_BYTES, np.uint32))


def _block_trace(traces: Path) -> list[tuple[int, int]]:
    path = _existing(traces / "cloudphysics-io.csv.gz")
    with gzip.open(path, "rt", newline="") as lines:
        return [(int(row["lbn"]), int(row["size"])) for row in csv.DictReader(lines)]


def cloudphysics(traces: Path) -> Workload:
    """Block I/O of a virtual machine, every block alike."""
    keys = np.array([key for key, _ in _block_trace(traces)], np.uint64)
    return _unit("cloudphysics", keys)


def cloudphysics_sized(traces: Path) -> Workload:
    """The same requests with their sizes."""
    requests = _block_trace(traces)
    sizes = [min(size // SIZE_DIVISOR, VALUE_BYTES_MAX) for _, size in requests]
    keys = np.array([key for key, _ in requests], np.uint64)
    return Workload("cloudphysics, sized", keys, np.array(sizes, np.uint32), is_unit=False)


def web07(traces: Path) -> Workload:
    """Requests to a product page."""
    with lzma.open(_existing(traces / "cache2k-web07.trace.xz")) as trace:
        return _unit("web07", np.frombuffer(trace.read(), ">u4").astype(np.uint64))


def zipf(exponent: float, seed: int = 1, keys: int = 50_000, requests: int = 250_000) -> Workload:
    """Popularity by Zipf's law, the same all the time."""
    drawn = _draw_zipf(np.random.default_rng(seed), exponent, keys, requests)
    return _unit(f"zipf {exponent}", drawn)


def scans_in_zipf(seed: int = 2) -> Workload:
    """Zipf 1.0 of 30,000 keys; after each 15,000 requests a scan of 5,000 others, in order."""
    lot = np.random.default_rng(seed)
    pieces = []
    for number in range(12):
        pieces.append(_draw_zipf(lot, 1.0, 30_000, 15_000))
        first = 1_000_000 + number % 6 * 5_000
        pieces.append(np.arange(first, first + 5_000, dtype=np.uint64))
    return _unit("scan and zipf 1.0", np.concatenate(pieces))


def shifting(seed: int = 3) -> Workload:
    """Zipf 0.9 of 8,000 keys, a tenth of which are replaced after each 8,000 requests."""
    lot = np.random.default_rng(seed)
    names = np.arange(8_000, dtype=np.uint64)
    unused = len(names)
    pieces = []
    for _ in range(28):
        pieces.append(names[_draw_zipf(lot, 0.9, len(names), 8_000)])
        places = lot.choice(len(names), len(names) // 10, replace=False)
        names[places] = np.arange(unused, unused + len(places), dtype=np.uint64)
        unused += len(places)
    return _unit("shifting zipf 0.9", np.concatenate(pieces))


def _draw_zipf(lot: np.random.Generator, exponent: float, keys: int, requests: int) -> Keys:
    weights = np.arange(1, keys + 1, dtype=np.float64) ** -exponent
    below = np.cumsum(weights) / weights.sum()
    ranks = np.searchsorted(below, lot.random(requests))
    return np.minimum(ranks, keys - 1).astype(np.uint64)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise MissingTrace(
            f"the trace {path} is missing: say where the folder of traces is, "
            "with --traces FOLDER or SHOAL_TRACES"
        )
    return path


WORKLOADS: dict[str, Callable[[Path], Workload]] = {
    "cloudphysics": cloudphysics,
    "cloudphysics, sized": cloudphysics_sized,
    "web07": web07,
    "zipf 0.8": lambda _: zipf(0.8),
    "zipf 1.0": lambda _: zipf(1.0),
    "zipf 1.2": lambda _: zipf(1.2),
    "scan and zipf 1.0": lambda _: scans_in_zipf(),
    "shifting zipf 0.9": lambda _: shifting(),
}
