"""Asks the node's own gRPC listener whether it is well, as any client would.

A real ``grpc.health.v1.Health/Check`` over the listener: it goes through accept,
HTTP/2 and a worker of the data plane. The lease is renewed only while it answers,
because a node that is wedged must lose its lease. The empty service name asks
whether the process is live; readiness says nothing about that.

The answer is read by hand (field 1, SERVING = 1), so that no stub is needed.
"""

from __future__ import annotations

from typing import Final

import grpc

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

    def __init__(self, address: str, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=None,
            response_deserializer=None,
        )

    def is_well(self) -> bool:
        """Whether the listener answered in time that it serves."""
        try:
            answer = self._check(b"", timeout=self._timeout_seconds, wait_for_ready=True)
        except grpc.RpcError:
            return False
        return answer == _SERVING

    def close(self) -> None:
        self._channel.close()


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
