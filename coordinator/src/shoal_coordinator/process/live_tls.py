"""Listeners and channels of a process that has certificates, each with those of the moment.

Who has none passes None in place of ``LiveTls``, and everything is plain.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from shoal_coordinator.process.tls import (
    TlsClients,
    TlsContents,
    channel_credentials,
    client_context,
    server_context,
)


@dataclass(frozen=True, slots=True)
class LiveTls:
    """``contents`` tells the latest, from any thread and without delay."""

    contents: Callable[[], TlsContents]
    clients: TlsClients = TlsClients.ANY

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a listener of gRPC's: every handshake goes by what the files say by then.

        gRPC asks callers for a certificate only where each has to show one.
        """
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self.contents()),
            lambda: _configuration(self.contents()),
            require_client_authentication=self.clients is TlsClients.CERTIFICATE,
        )

    def server_context(self) -> ssl.SSLContext:
        return server_context(self.contents(), self.clients)

    def client_context(self) -> ssl.SSLContext:
        return client_context(self.contents())


def open_channel(
    address: str, tls: LiveTls | None, options: Sequence[tuple[str, int]] = ()
) -> grpc.aio.Channel:
    """A channel to another program of the cluster, with the credentials of now."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, channel_credentials(tls.contents()), options=options)


def _configuration(contents: TlsContents) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(contents.key, contents.certificate)], contents.authority
    )
