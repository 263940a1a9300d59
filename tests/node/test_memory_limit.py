"""The memory that a process can have, as Linux tells it in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_node.memory_limit import memory_limit_bytes

MACHINE = "MemTotal:       1048576 kB\nMemFree: 5 kB\n"


def root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "limit_bytes"),
    [
        ({}, None),
        ({"proc/meminfo": MACHINE}, 1 << 30),
        ({"proc/meminfo": MACHINE, "proc/self/cgroup": "0::/a\n"}, 1 << 30),
        (
            {
                "proc/meminfo": MACHINE,
                "proc/self/cgroup": "0::/pod/a\n",
                "sys/fs/cgroup/pod/a/memory.max": "max\n",
                "sys/fs/cgroup/pod/memory.max": "500\n",
                "sys/fs/cgroup/memory.max": "700\n",
            },
            500,
        ),
        # A container sees its own group at the top, under whatever path the host says.
        ({"proc/self/cgroup": "0::/host/x\n", "sys/fs/cgroup/memory.max": "300\n"}, 300),
        (
            {
                "proc/self/cgroup": "5:cpu,memory:/a\n1:name=systemd:/a\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "400\n",
                "sys/fs/cgroup/a/memory.max": "1\n",
            },
            400,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            None,
        ),
    ],
)
def test_the_least_limit_counts(
    files: dict[str, str], limit_bytes: int | None, tmp_path: Path
) -> None:
    assert memory_limit_bytes(root(tmp_path, files)) == limit_bytes


def test_this_machine_has_one() -> None:
    limit_bytes = memory_limit_bytes()
    assert limit_bytes is None or limit_bytes > 64 << 20
