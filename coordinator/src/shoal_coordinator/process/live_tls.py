"""Listeners and channels of a process that has certificates, each with those of the moment.

Who has none passes None in place of ``LiveTls``, and everything is plain.
"""

from __future__ import annotations

import ipaddress
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


def open_channel_to_twin(address: str, tls: LiveTls | None) -> grpc.aio.Channel:
    """A channel to another process of the same program.

    One that is reached by an address of digits is verified by the host that one's own
    certificate is for: replicas whose addresses come and go share a certificate.
    """
    if tls is None or not _is_digits(address) or _is_digits(f"{tls.contents().host}:0"):
        return open_channel(address, tls)
    contents = tls.contents()
    options = [("grpc.ssl_target_name_override", contents.host)]
    return grpc.aio.secure_channel(address, channel_credentials(contents), options=options)


def _is_digits(address: str) -> bool:
    try:
        ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


def _configuration(contents: TlsContents) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(contents.key, contents.certificate)], contents.authority
    )
