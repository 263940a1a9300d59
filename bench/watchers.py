"""Many watchers of the topology: ``python -m bench.watchers ADDRESS STREAMS``.

Prints a line once each has been told everything. Then, for each line it reads, how many
updates all of them were told so far, and the bytes of these.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc.aio

from shoal.v1 import cache_pb2
from shoal.v1.cache_pb2_grpc import CacheStub

STREAMS_A_CONNECTION = 50


class _Told:
    updates = 0
    update_bytes = 0
    watchers = 0


async def _watch(stub: Any, told: _Told, ready: asyncio.Event, streams: int) -> None:
    is_first = True
    async for answer in stub.WatchTopology(cache_pb2.WatchTopologyRequest()):
        told.updates += 1
        told.update_bytes += answer.ByteSize()
        if is_first:
            is_first = False
            told.watchers += 1
            if told.watchers == streams:
                ready.set()


async def _main(address: str, streams: int) -> None:
    told, ready = _Told(), asyncio.Event()
    options = [("grpc.use_local_subchannel_pool", 1)]
    connections = -(-streams // STREAMS_A_CONNECTION)
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(connections)]
    stubs = [CacheStub(channel) for channel in channels]
    watches = [
        asyncio.create_task(_watch(stubs[each % connections], told, ready, streams))
        for each in range(streams)
    ]
    await ready.wait()
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"updates": told.updates, "bytes": told.update_bytes}), flush=True)
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
