"""Resident and counted memory over the time of a soak, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.soak.verdict import OVERSHOOT_MAX, Sample, Verdict

_MIB = 1024 * 1024


def draw(samples: Sequence[Sample], verdict: Verdict, path: Path) -> None:
    """Write an SVG or PNG, by the file's name."""
    figure = Figure(figsize=(10, 4), layout="tight")
    axes = figure.subplots()
    minutes = [sample.at_seconds / 60 for sample in samples]
    axes.plot(minutes, [s.resident_bytes / _MIB for s in samples], label="resident (RSS)")
    axes.plot(minutes, [s.counted_bytes / _MIB for s in samples], label="counted by the node")
    maxmemory_mib = verdict.maxmemory_bytes / _MIB
    axes.axhline(maxmemory_mib, color="black", linewidth=0.8, label="maxmemory")
    axes.axhline(
        maxmemory_mib * OVERSHOOT_MAX, color="#c92a2a", linewidth=0.8, label="maxmemory + 10 %"
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB")
    axes.set_title(str(verdict))
    axes.legend(loc="lower right")
    figure.savefig(path)
