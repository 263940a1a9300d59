"""A gRPC channel to one etcd endpoint, and the options that make it notice trouble."""

from __future__ import annotations

import grpc
from grpc import aio

from shoal_coordinator.registry.etcd.credentials import EtcdCredentials

_OPTIONS: tuple[tuple[str, int], ...] = (
    # etcd answers pings more often than every 5 s, or without a call, with GOAWAY.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    # Without it the timeout above takes a minute to notice a frozen peer.
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default a lost endpoint would be tried again after as long as two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A channel's connection is its own: the lease keeper shares none.
    ("grpc.use_local_subchannel_pool", 1),
    # What is repeated is decided here, not in gRPC.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
)

REQUIRE_LEADER = (("hasleader", "true"),)
"""Metadata that makes a member that has lost its quorum say so at once."""


def open_channel(target: str, credentials: EtcdCredentials | None) -> aio.Channel:
    """Connects when first used. Without credentials it is plain."""
    if credentials is None:
        return aio.insecure_channel(target, options=_OPTIONS)
    return aio.secure_channel(target, credentials.of_channels(), options=_OPTIONS)


def open_blocking_channel(target: str, credentials: EtcdCredentials | None) -> grpc.Channel:
    """The same, for a thread."""
    if credentials is None:
        return grpc.insecure_channel(target, options=_OPTIONS)
    return grpc.secure_channel(target, credentials.of_channels(), options=_OPTIONS)
