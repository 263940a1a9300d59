"""How much memory this process can have: the least of its control groups' limits and the machine's.

Linux only: elsewhere nothing is known. See cgroups(7) and proc(5).
"""

from __future__ import annotations

from pathlib import Path

_UNLIMITED_BYTES = 1 << 60
"""Version 1 of the control groups says "no limit" as a number near the largest there is."""


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the limit; None where none can be read."""
    limits = [*_group_limits(root), *_machine(root)]
    return min(limits, default=None)


def _group_limits(root: Path) -> list[int]:
    """Limits of the group of this process, and of those around it."""
    mount = root / "sys/fs/cgroup"
    found: list[int] = []
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, name = mount, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        # Within a container the path may be the host's, of which only the top is mounted.
        group = top / path.lstrip("/")
        for place in (group, *group.parents):
            if not place.is_relative_to(top):
                break
            found += [
                int(text)
                for text in _lines(place / name)
                if text.isdigit() and int(text) < _UNLIMITED_BYTES
            ]
    return found


def _machine(root: Path) -> list[int]:
    words = [line.split() for line in _lines(root / "proc/meminfo")]
    return [int(kib) << 10 for name, kib, *_ in words if name == "MemTotal:"]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
