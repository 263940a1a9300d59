"""A small HTTP server on threads of its own, over TLS where the process has certificates.

A connection is one request, on its own thread; how many there are at once is bounded, and how
long each may be silent, in its handshake as well.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication

from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.live_tls import LiveTls

_SOCKET_TIMEOUT_SECONDS: Final = 10.0
_CONNECTIONS_MAX: Final = 64
"""At once; more are closed."""


class HttpServer:
    """Serves ``app`` until it is closed."""

    def __init__(self, listen: HostPort, app: WSGIApplication, tls: LiveTls | None = None) -> None:
        """Raises OSError when it cannot bind."""
        server_class = _Server6 if ":" in listen.host else _Server
        self._server = make_server(listen.host, listen.port, app, server_class, _Handler)
        self._server.tls = tls
        self._scheme = "http" if tls is None else "https"
        self.address = HostPort(listen.host, self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def url(self, path: str, at: HostPort | None = None) -> str:
        """Where it serves ``path``: by the address as bound, or where others reach it."""
        return f"{self._scheme}://{at or self.address}{path}"

    def close(self) -> None:
        """Stop listening. What is being answered ends by itself."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


LIVE: Final = "/live"
READY: Final = "/ready"


def answer_whether(start_response: StartResponse, *, holds: bool) -> Iterable[bytes]:
    """For probes: 200 or 503."""
    status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
    body = f"{status.phrase}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = _CONNECTIONS_MAX
    tls: LiveTls | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._turns = BoundedSemaphore(_CONNECTIONS_MAX)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a connection, or end it where there are too many."""
        if self._turns.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, and give its turn back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._turns.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, on its own thread."""
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_SOCKET_TIMEOUT_SECONDS)
        # Who cannot agree with us, or goes away, is no news.
        with contextlib.suppress(ssl.SSLError, OSError):
            context = self.tls.server_context()
            with context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _SOCKET_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        """Say nothing: a scrape is no news."""

    def address_string(self) -> str:
        """The address as it is: looking its name up could take long."""
        return str(self.client_address[0])
