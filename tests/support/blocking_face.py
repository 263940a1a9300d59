"""What is to be awaited behind one blocking face, so that one test serves both twins."""

from __future__ import annotations

import asyncio
import inspect
import threading
from functools import partial
from typing import Any


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class BlockingFace:
    """Something of ``shoal.asyncio`` whose coroutines are run to their end.

    Loaders are those of blocking code, each called in a thread.
    """

    def __init__(self, client: Any, loop: LoopThread) -> None:
        self.client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        if name == "session":
            return lambda: BlockingFace(self.client.session(), self._loop)
        if name in ("cache", "sharded_counter"):
            make = getattr(self.client, name)
            return lambda *args, **settings: BlockingFace(make(*args, **settings), self._loop)
        method = getattr(self.client, name)
        if name in ("get_or_load", "refresh"):
            return lambda key, loader, **recipe: self._loop.run(
                method(key, partial(asyncio.to_thread, loader), **recipe)
            )
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self._loop.run(method(*args, **kwargs))
