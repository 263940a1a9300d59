"""Asks the node's own gRPC listener whether it is well, as any client would.

A real ``grpc.health.v1.Health/Check`` over the listener: it goes through accept,
HTTP/2 and a worker of the data plane. The lease is renewed only while it answers,
because a node that is wedged must lose its lease. The empty service name asks
whether the process is live; readiness says nothing about that.

Over TLS the channel calls itself by a name of the node's own certificate and trusts that
alone, so that it works whoever signs certificates. It keeps the certificate that it was opened
with, for as long as its connection lasts; one that expires meanwhile is no reason to lose the
lease.

Question and answer are written by hand (field 1: a service's name; SERVING = 1), so that no
stub is needed.
"""

from __future__ import annotations

from typing import Final

import grpc

from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsContents

_CACHE: Final = b"\x0a\x0eshoal.v1.Cache"
_SERVING: Final = b"\x08\x01"
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    # A listener that comes back must be noticed at once, not after a long backoff.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 250),
)


class DataPathProbe:
    """Checks one listener. ``is_well`` blocks, at most for the timeout."""

    def __init__(self, address: str, timeout_seconds: float, tls: LiveTls | None = None) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._open()

    def says(self, *, is_ready: bool) -> bool:
        """Whether the listener says that it is alive, or that its cache can be used. Any thread."""
        try:
            answer = self._check(_CACHE if is_ready else b"", timeout=self._timeout_seconds)
        except (grpc.RpcError, ValueError):  # the latter: closed just now, to be opened anew
            return False
        return answer == _SERVING

    def is_well(self) -> bool:
        """Whether the listener answered in time that it serves. One thread at a time."""
        try:
            answer = self._check(b"", timeout=self._timeout_seconds, wait_for_ready=True)
        except grpc.RpcError:
            if self._tls is not None and self._tls.contents() != self._opened_with:
                self._channel.close()
                self._open()
            return False
        return answer == _SERVING

    def _open(self) -> None:
        self._opened_with = None if self._tls is None else self._tls.contents()
        self._channel = _channel_to_oneself(self._address, self._opened_with)
        self._check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=None,
            response_deserializer=None,
        )

    def close(self) -> None:
        self._channel.close()


def _channel_to_oneself(address: str, contents: TlsContents | None) -> grpc.Channel:
    if contents is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    own = contents.certificate
    credentials = grpc.ssl_channel_credentials(own, contents.key, own)
    name = ("grpc.ssl_target_name_override", contents.host)
    return grpc.secure_channel(address, credentials, options=(*_OPTIONS, name))


def probe_target(bound: str) -> str:
    """Where to reach, from this machine, a listener bound at ``bound``."""
    host, _, port = bound.rpartition(":")
    match host:
        case "0.0.0.0":  # noqa: S104
            return f"127.0.0.1:{port}"
        case "[::]" | "::":
            return f"[::1]:{port}"
        case _:
            return bound
