"""Questions to running processes: etcd's health, a node's health and topology, its metrics.

Every question has a deadline, and no answer is an answer: None or False. Proxies
that the environment names are not used: everything is on loopback.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from pathlib import Path

import grpc

from shoal import Topology
from shoal.cli.ownership import Ownership
from shoal.v1 import cache_pb2, cache_pb2_grpc

HEALTH_METHOD = "/grpc.health.v1.Health/Check"
# HealthCheckRequest{service: "shoal.v1.Cache"} and HealthCheckResponse{status: SERVING}
# as they stand on the wire: too little to depend on a package for.
CACHE_HEALTH_REQUEST = b"\x0a\x0eshoal.v1.Cache"
SERVING_RESPONSE = b"\x08\x01"

_CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


def opener(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """Asks without a proxy. ``context`` is for https://."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


_plain = opener()


def http_text(
    url: str, timeout_seconds: float, by: urllib.request.OpenerDirector = _plain
) -> str | None:
    """The body of a successful GET."""
    try:
        with by.open(url, timeout=timeout_seconds) as response:
            body: bytes = response.read()
    except (OSError, http.client.HTTPException):
        return None
    return body.decode(errors="replace")


def etcd_is_healthy(url: str, timeout_seconds: float) -> bool:
    """Whether it has a leader and commits."""
    answer = http_text(f"{url}/health", timeout_seconds)
    return answer is not None and '"health":"true"' in answer.replace(" ", "")


class NodeProbe:
    """A connection to one node, kept."""

    def __init__(self, address: str, authority: Path | None = None) -> None:
        """``authority``: who signed the node's certificate; None: it is plain."""
        if authority is None:
            self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        else:
            trusting = grpc.ssl_channel_credentials(authority.read_bytes())
            self._channel = grpc.secure_channel(address, trusting, options=_CHANNEL_OPTIONS)
        self._health = self._channel.unary_unary(
            HEALTH_METHOD,
            request_serializer=lambda request: request,
            response_deserializer=lambda response: response,
        )
        self._cache = cache_pb2_grpc.CacheStub(self._channel)

    def is_serving(self, timeout_seconds: float) -> bool:
        """Whether the node's health service says that ``shoal.v1.Cache`` serves."""
        try:
            answer: bytes = self._health(CACHE_HEALTH_REQUEST, timeout=timeout_seconds)
        except grpc.RpcError:
            return False
        return answer == SERVING_RESPONSE

    def ownership(self, timeout_seconds: float) -> Ownership | None:
        """Who serves what, by the first and complete update of ``WatchTopology``."""
        call = self._cache.WatchTopology(cache_pb2.WatchTopologyRequest(), timeout=timeout_seconds)
        try:
            for update in call:
                return Ownership.of(Topology().merged(update.topology))
        except grpc.RpcError:
            pass
        finally:
            call.cancel()
        return None

    def close(self) -> None:
        self._channel.close()
