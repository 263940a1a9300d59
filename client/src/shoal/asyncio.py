"""The asyncio twin of ``shoal.Client``: the same names, to be awaited."""

from __future__ import annotations

from shoal._async_cache import Cache
from shoal._async_client import Client
from shoal._async_session import Session
from shoal._async_sharded_counter import ShardedCounter
from shoal._toolkit.regions.aio_region import Region

__all__ = ["Cache", "Client", "Region", "Session", "ShardedCounter"]
