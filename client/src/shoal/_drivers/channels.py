"""How a channel to a node is set up, for both drivers.

What stands here was measured: ``keepalive_timeout_ms`` alone took a minute to notice a
frozen peer, ``http2.ping_timeout_ms`` must be set as well; gRPC's own reconnect backoff
grows to two minutes, in which a restarted node is not found.
"""

from __future__ import annotations

from typing import Final

from shoal._core.settings import Settings

RETIRE_AFTER_SECONDS: Final = 0.3
"""How long calls to a node that left the cluster may still be answered. Then they end as
lost connections, and what may be repeated is asked of the new owner. A node that stops
in order answers them before it leaves; one whose lease ran out is frozen or cut off."""


RENEW_AFTER_SECONDS: Final = 30.0
"""How long calls over a channel that was opened anew for other certificates may go on: the
node is there, so they are answered."""


def channel_options(settings: Settings) -> list[tuple[str, int | str]]:
    """Return gRPC's channel arguments."""
    return [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.http2.ping_timeout_ms", 3_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 500),
        # Also the time that one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", 1_000),
        # A restarted pod keeps its name and has a new address.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Clients do not share connections: closing one leaves the others alone.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config_disable_resolution", 1),
        # Cache nodes are never behind the proxy that http_proxy names.
        ("grpc.enable_http_proxy", 0),
        ("grpc.primary_user_agent", "shoal-python"),
    ]
