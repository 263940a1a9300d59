"""A TCP proxy on loopback that cuts connections where a test wants them cut."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65536


class TcpProxy:
    """Forwards to 127.0.0.1:``port``. Use as an asynchronous context manager.

    ``swallow_answers(n)``: of the next n times that the far side answers, nothing is
    passed on, and the connection is cut: the request got there, its answer did not.
    """

    def __init__(self, port: int) -> None:
        self._far_port = port
        self._server: asyncio.Server | None = None
        self._swallow = 0
        self.swallowed = 0
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def swallow_answers(self, count: int = 1) -> None:
        self._swallow += count

    def cut(self) -> None:
        """Cut every connection there is."""
        for task in self._connections:
            task.cancel()

    def refuse(self, *, refusing: bool) -> None:
        """Close new connections at once, and cut those there are."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def hold(self, *, holding: bool) -> None:
        """Pass nothing on, either way, while every connection stays open."""
        if holding:
            self._flowing.clear()
        else:
            self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        far_writer: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
            pumps = {
                asyncio.ensure_future(self._forward(reader, far_writer)),
                asyncio.ensure_future(self._answer(far_reader, writer)),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            del self._connections[task]
            for end in (writer, far_writer):
                if end is not None:
                    end.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self._swallow > 0:
                self._swallow -= 1
                self.swallowed += 1
                return
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
