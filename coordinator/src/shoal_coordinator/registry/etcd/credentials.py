"""What is shown to etcd over TLS, and who signs etcd's own certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc


@dataclass(frozen=True, slots=True)
class EtcdCredentials:
    """PEM. ``authority``: None for those that gRPC trusts; ``certificate`` with ``key`` or not."""

    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)

    def of_channels(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


TellCredentials = Callable[[], EtcdCredentials | None]
"""What to use for the next connection; None: no TLS. Called from any thread, often."""


def no_credentials() -> None:
    """Connections are plain."""
