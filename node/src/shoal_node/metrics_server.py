"""The node's small HTTP server: ``/metrics`` for Prometheus, ``/introspection`` for people.

``/introspection`` tells keys. So it is answered to callers on this machine alone,
wherever the server listens; others are refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.registry import Collector

from shoal_coordinator.process.addresses import HostPort
from shoal_node.introspection import as_json
from shoal_node.snapshot import Snapshot

METRICS = "/metrics"
INTROSPECTION = "/introspection"
_SOCKET_TIMEOUT_SECONDS = 10.0


def serve_metrics(
    listen: HostPort, collector: Collector, snapshot: Callable[[], Snapshot]
) -> MetricsServer:
    """Serve on a thread of its own. Raises OSError when it cannot bind."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    metrics = make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == INTROSPECTION:
            if not _is_loopback(environ.get("REMOTE_ADDR", "")):
                sentence = b"keys are told on the node's own machine alone: ask there\n"
                return _answer(start_response, HTTPStatus.FORBIDDEN, "text/plain", sentence)
            body = as_json(snapshot())
            return _answer(start_response, HTTPStatus.OK, "application/json", body)
        if path in (METRICS, "/"):
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        sentence = f"there are {METRICS} and {INTROSPECTION}\n".encode()
        return _answer(start_response, HTTPStatus.NOT_FOUND, "text/plain", sentence)

    server_class = _Server6 if ":" in listen.host else _Server
    server = make_server(listen.host, listen.port, app, server_class, _Handler)
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return MetricsServer(server, thread)


class MetricsServer:
    """Serves until it is closed."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        self._server = server
        self._thread = thread

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _SOCKET_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        """Say nothing: a scrape is no news."""

    def address_string(self) -> str:
        """The address as it is: looking its name up could take long."""
        return str(self.client_address[0])


def _answer(
    start_response: StartResponse, status: HTTPStatus, kind: str, body: bytes
) -> Iterable[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False
