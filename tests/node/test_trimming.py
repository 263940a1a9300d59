"""Nobody but the data plane gives a node's memory back.

The Python runtime of protobuf trims the allocator each time that it has freed ten thousand
blocks. In a node that means all free memory of its entries, which takes tens of milliseconds.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from textwrap import dedent

import pytest

FREED_BYTES = 64 << 20
PROGRAM = """
    import os
    from pathlib import Path
    from shoal.v1 import cache_pb2
    from shoal_node._bridge import DataPlane
    from shoal_node.data_plane import DataPlaneSettings

    def resident_bytes():
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    plane = DataPlane(
        DataPlaneSettings(
            node_id="node-1",
            listen="127.0.0.1:0",
            partition_count=1,
            maxmemory_bytes=1 << 30,
            worker_threads=1,
            owns_process={owns_process},
        )
    )
    plane.start()
    # The last block is kept: without it all that is free before it would go back at once.
    blocks = [b"x" * (64 << 10) for _ in range({freed_bytes} >> 16)]
    kept = blocks.pop()
    del blocks
    before = resident_bytes()
    for _ in range(10_001):
        cache_pb2.GetRequest(key=b"k")
    print(before - resident_bytes())
    os._exit(0)
"""


def given_back_bytes(*, owns_process: bool) -> int:
    program = dedent(PROGRAM).format(owns_process=owns_process, freed_bytes=FREED_BYTES)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is trimmed")
def test_messages_of_the_agent_leave_the_memory_of_entries_alone() -> None:
    assert given_back_bytes(owns_process=True) < FREED_BYTES // 8


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is trimmed")
def test_a_process_that_is_not_a_nodes_alone_is_left_as_it_is() -> None:
    """Fails once protobuf does not trim any more: then nobody has to be kept from it."""
    assert given_back_bytes(owns_process=False) > FREED_BYTES // 2
