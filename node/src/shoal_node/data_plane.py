"""What the agent tells the data plane when it makes one.

Mirrored by structs of the same names and fields in ``node/bridge``.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataPlaneTls:
    """PEM: what others are shown, the key of its first certificate, and who signs others."""

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes
    requires_certificate: bool = False
    """Whether each caller has to show one."""


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
    tls: DataPlaneTls | None = None
    """Of the listener, and towards other nodes; None: plain text."""
