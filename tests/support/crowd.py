"""Thousands of callers that miss one key at once, over raw sockets.

A gRPC stub spends more on an answer than a node does, so that ten thousand of them would
measure themselves. This knows just enough of HTTP/2 to send one `Get` many times and to
find the answers; what it receives is stamped first and read afterwards.

Callers whose connection ends, or whose call fails, ask again at the next address.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shoal.v1 import cache_pb2 as pb

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
RECEIVE_BYTES = 1 << 18
QUIET_SECONDS = 0.01
"""Nothing is read of what was received until nothing has come for so long."""
AGAIN_SECONDS = 0.3
"""Before a caller whose call failed asks again."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + stream.to_bytes(4) + payload


def literal(index: bytes, text: bytes) -> bytes:
    """A field of HPACK that nobody keeps, without Huffman's code."""
    return index + bytes((len(text),)) + text


def framed(message: bytes) -> bytes:
    """As gRPC puts it on a stream."""
    return b"\0" + struct.pack(">I", len(message)) + message


def header_block(path: bytes, authority: bytes) -> bytes:
    return (
        b"\x83\x86"  # :method POST, :scheme http
        + literal(b"\x04", path)
        + literal(b"\x01", authority)
        + literal(b"\x0f\x10", b"application/grpc")
        + literal(b"\x00" + literal(b"", b"te"), b"trailers")
    )


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    at: float
    """When its bytes were received, by ``time.monotonic``."""
    line: int
    """Over which connection."""
    answer: pb.GetResponse


@dataclass
class Line:
    """One connection, and the calls on it that are not answered."""

    number: int
    socket: socket.socket
    open: set[int] = field(default_factory=set)
    next_stream: int = 1
    rest: bytes = b""


class Crowd:
    """``lines * callers`` callers of one key. They ask at the addresses in turn."""

    def __init__(self, addresses: Sequence[str], request: pb.GetRequest) -> None:
        self.addresses = addresses
        self._message = framed(request.SerializeToString())
        self._selector = selectors.DefaultSelector()
        self._lines: dict[int, Line] = {}
        self._again: deque[tuple[float, int, int]] = deque()
        self._stores: list[socket.socket] = []
        self.told: list[Told] = []
        self.failures = 0

    def ask(self, lines: int, callers: int) -> None:
        """Open the connections, then ask over all of them."""
        opened = [self._connect(number, 0) for number in range(lines)]
        for line in opened:
            self._send(line, callers)

    def wait(self, until: Callable[[Crowd], bool], seconds: float) -> None:
        """Take what comes until it is so."""
        end = time.monotonic() + seconds
        while not until(self):
            assert time.monotonic() < end, f"{len(self.told)} answered, {self.failures} failures"
            self._take()

    def store(self, address: str, request: pb.SetRequest) -> float:
        """Send a `Set`, and tell when; what came of it is seen by the callers.

        A stub's own threads may take 200 ms to send what they were given.
        """
        host, _, port = address.rpartition(":")
        opened = socket.create_connection((host, int(port)), timeout=5)
        self._stores.append(opened)
        block = header_block(b"/shoal.v1.Cache/Set", b"crowd")
        message = framed(request.SerializeToString())
        out = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, block)
        sent = time.monotonic()
        opened.sendall(out + frame(DATA, END_STREAM, 1, message))
        return sent

    def leave(self, number: int) -> None:
        """This connection ends, and its callers with it."""
        self._close(self._lines[number])

    def waiting(self) -> int:
        return sum(len(line.open) for line in self._lines.values()) + len(self._again)

    def close(self) -> None:
        for line in list(self._lines.values()):
            self._close(line)
        for opened in self._stores:
            opened.close()
        self._selector.close()

    def loads(self) -> list[Told]:
        return [told for told in self.told if told.answer.fill_token]

    def _connect(self, number: int, tried: int) -> Line:
        for step in range(len(self.addresses)):
            address = self.addresses[(tried + step) % len(self.addresses)]
            host, _, port = address.rpartition(":")
            try:
                opened = socket.create_connection((host, int(port)), timeout=5)
            except OSError:
                continue
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.sendall(PREFACE + frame(SETTINGS, 0, 0))
            line = Line(number, opened)
            self._lines[number] = line
            self._selector.register(opened, selectors.EVENT_READ, line)
            return line
        raise AssertionError("no node can be reached")

    def _send(self, line: Line, callers: int) -> None:
        block = header_block(b"/shoal.v1.Cache/Get", b"crowd")
        out = bytearray()
        for _ in range(callers):
            out += frame(HEADERS, END_HEADERS, line.next_stream, block)
            out += frame(DATA, END_STREAM, line.next_stream, self._message)
            line.open.add(line.next_stream)
            line.next_stream += 2
        line.socket.sendall(out)

    def _close(self, line: Line) -> None:
        self._selector.unregister(line.socket)
        line.socket.close()
        del self._lines[line.number]

    def _take(self) -> None:
        chunks: list[tuple[float, Line, bytes]] = []
        ready = self._selector.select(0.05)
        while ready:
            for key, _ in ready:
                line: Line = key.data
                try:
                    received = line.socket.recv(RECEIVE_BYTES)
                except OSError:
                    received = b""
                chunks.append((time.monotonic(), line, received))
                if not received:
                    self._selector.unregister(line.socket)
            ready = self._selector.select(QUIET_SECONDS)
        for at, line, received in chunks:
            if received:
                self._read(at, line, received)
            else:
                line.socket.close()
                del self._lines[line.number]
                self._fail(line, len(line.open))
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            _, number, callers = self._again.popleft()
            line = self._lines.get(number) or self._connect(number, number)
            self._send(line, callers)

    def _fail(self, line: Line, callers: int) -> None:
        if callers:
            self.failures += callers
            self._again.append((time.monotonic() + AGAIN_SECONDS, line.number, callers))

    def _read(self, at: float, line: Line, received: bytes) -> None:
        held = line.rest + received
        start = 0
        failed = 0
        while len(held) - start >= 9:
            length = int.from_bytes(held[start : start + 3])
            if len(held) - start < 9 + length:
                break
            kind, flags = held[start + 3], held[start + 4]
            stream = int.from_bytes(held[start + 5 : start + 9])
            payload = held[start + 9 : start + 9 + length]
            start += 9 + length
            if kind == DATA and stream in line.open:
                line.open.discard(stream)
                self.told.append(Told(at, line.number, pb.GetResponse.FromString(payload[5:])))
            elif kind == HEADERS and flags & END_STREAM and stream in line.open:
                line.open.discard(stream)
                failed += 1
            elif kind == SETTINGS and not flags & ACK:
                line.socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                line.socket.sendall(frame(PING, ACK, 0, payload))
        line.rest = held[start:]
        self._fail(line, failed)
