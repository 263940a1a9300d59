"""The node's small HTTP server: ``/metrics`` for Prometheus, ``/figures`` for coordinators,
``/introspection`` for people, ``/live`` and ``/ready`` for probes that know no gRPC, or none
over TLS.

``/introspection`` tells keys. So it is answered to callers on this machine alone,
wherever the server listens; others are refused. Where there is an access file, they have to
show a token of somebody who may inspect.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from shoal_coordinator.access.policy import Operation
from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import LIVE, READY, HttpServer, answer_whether
from shoal_coordinator.process.live_tls import LiveTls
from shoal_node.introspection import as_json
from shoal_node.metrics import NodeCollector
from shoal_node.snapshot import Snapshot

METRICS = "/metrics"
FIGURES = "/figures"
INTROSPECTION = "/introspection"
Health = Callable[[bool], bool]
"""Whether the node is alive; given True, whether its cache can be used as well."""


def serve_metrics(
    listen: HostPort,
    collector: NodeCollector,
    snapshot: Callable[[], Snapshot],
    health: Health,
    tls: LiveTls | None = None,
    access: Callable[[], Access | None] = lambda: None,
) -> HttpServer:
    """Serve on a thread of its own. Raises OSError when it cannot bind.

    ``access`` tells who may do what now.
    """
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
            if not _may_inspect(environ.get("HTTP_AUTHORIZATION"), access()):
                sentence = b"keys are told to those alone who may inspect: show a token of one\n"
                return _answer(start_response, HTTPStatus.FORBIDDEN, "text/plain", sentence)
            body = as_json(snapshot())
            return _answer(start_response, HTTPStatus.OK, "application/json", body)
        if path in (LIVE, READY):
            return answer_whether(start_response, holds=health(path == READY))
        if path == FIGURES:
            body = collector.figures()
            return _answer(start_response, HTTPStatus.OK, "application/json", body)
        if path in (METRICS, "/"):
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        sentence = f"there are {METRICS}, {FIGURES}, {INTROSPECTION}, {LIVE} and {READY}\n".encode()
        return _answer(start_response, HTTPStatus.NOT_FOUND, "text/plain", sentence)

    return HttpServer(listen, app, tls)


def _answer(
    start_response: StartResponse, status: HTTPStatus, kind: str, body: bytes
) -> Iterable[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


def _may_inspect(authorization: str | None, access: Access | None) -> bool:
    if access is None:
        return True
    rights = access.rights(authorization, ())
    return rights is not None and rights.may(Operation.INSPECT)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False
