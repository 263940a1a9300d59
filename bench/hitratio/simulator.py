"""The reference: libCacheSim's own policies, at a number of entries."""

from __future__ import annotations

import libcachesim

from bench.hitratio.workloads import Keys

_POLICIES = {"s3fifo": libcachesim.S3FIFO, "lru": libcachesim.LRU, "lfu": libcachesim.LFU}
POLICIES = tuple(_POLICIES)
# Its table has 2^18 places: more than any load here has keys. The default allocates 2^24.
_HASHPOWER = 18


def miss_ratio(policy: str, keys: Keys, entries: int) -> float:
    """Every entry counts as one."""
    cache = _POLICIES[policy](cache_size=max(entries, 1), hashpower=_HASHPOWER)
    request = libcachesim.Request()
    request.obj_size = 1
    misses = 0
    for key in keys.tolist():
        request.obj_id = key
        misses += not cache.get(request)
    return misses / len(keys)
