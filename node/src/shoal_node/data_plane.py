"""What the agent tells the data plane when it makes one.

Mirrored by a struct of the same name and fields in ``node/bridge``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataPlaneSettings:
    """Settings of one node's data plane, fixed for its lifetime."""

    node_id: str
    listen: str
    """HOST:PORT; port 0 takes a free one."""
    partition_count: int
    maxmemory_bytes: int
    worker_threads: int
    value_bytes_max: int = 1024 * 1024
    key_bytes_max: int = 1024
    eviction: str = "s3fifo"
    """To begin with; s3fifo, lru, lfu or none."""
    slow_request_ms: int = 10
    """Requests that take so long are told in the slow log."""
    near_grant_ms: int = 1000
    """For how long callers may answer a hot key from their own memory; 0: not at all."""
    owns_process: bool = False
    """Nothing else of size is in the process, so ``maxmemory_bytes`` bounds all of it:
    entries get what the rest leaves. Otherwise it bounds the entries alone."""
