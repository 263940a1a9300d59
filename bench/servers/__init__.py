"""The servers under test: real processes on loopback, alone on their core.

A server that is not installed raises ``MissingPeer``, whose text says how to get it.
"""

from __future__ import annotations

from bench.servers.memcached import memcached
from bench.servers.redis import redis, valkey
from bench.servers.server import MissingPeer, Server, Start
from bench.servers.shoal import shoal_cluster, shoal_plane

__all__ = [
    "MissingPeer",
    "Server",
    "Start",
    "memcached",
    "redis",
    "shoal_cluster",
    "shoal_plane",
    "valkey",
]
