"""The certificates of a process: where they stand, what they say, and whether that can be used.

A process has one identity, which it shows as a server and as a client of others, and one
authority, which signs those it talks to. All of it is PEM. ``Reloaded`` keeps it current.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import grpc

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.own_name import own_name
from shoal_coordinator.process.pem import load_authority, load_identity
from shoal_coordinator.registry.etcd.credentials import EtcdCredentials

_BYTES_MAX = 1 << 20


class TlsClients(StrEnum):
    """Whom a listener with TLS talks to."""

    ANY = "any"
    """A caller may show a certificate, and is refused if that does not verify."""
    CERTIFICATE = "certificate"
    """A caller has to show one."""


@dataclass(frozen=True, slots=True)
class TlsContents:
    """PEM: what others are shown, the key of its first certificate, and who signs others."""

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes | None
    """None where nobody is named; then the authorities that the system trusts."""
    host: str
    """One that the certificate is for."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the identity of a process stands, and who signs those it talks to."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def read(self, known: TlsContents | None = None) -> TlsContents:
        """Read and check all of them, or return ``known`` where that is it. Raises BadSettings."""
        certificate, key = _read(self.certificate, "--tls-cert"), _read(self.key, "--tls-key")
        authority = None if self.authority is None else _read(self.authority, "--tls-ca")
        if known is not None and known == replace(
            known, certificate=certificate, key=key, authority=authority
        ):
            return known
        _check_identity(certificate, key, self.certificate, self.key)
        if authority is not None and self.authority is not None:
            _check_authority(authority, self.authority)
        return TlsContents(
            certificate, key, authority, own_name(certificate, key, self.certificate)
        )


@dataclass(frozen=True, slots=True)
class EtcdTlsFiles:
    """Who signs etcd's certificate, and the identity that etcd is shown; each may be left out."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def read(self, known: EtcdCredentials | None = None) -> EtcdCredentials:
        """Read and check all of them, or return ``known`` where that is it. Raises BadSettings."""
        found = EtcdCredentials(
            None if self.authority is None else _read(self.authority, "--etcd-ca"),
            None if self.certificate is None else _read(self.certificate, "--etcd-cert"),
            None if self.key is None else _read(self.key, "--etcd-key"),
        )
        if found == known:
            return known
        if found.authority is not None and self.authority is not None:
            _check_authority(found.authority, self.authority)
        if found.certificate is not None and found.key is not None:
            assert self.certificate is not None
            assert self.key is not None
            _check_identity(found.certificate, found.key, self.certificate, self.key)
        return found


def server_context(contents: TlsContents, clients: TlsClients) -> ssl.SSLContext:
    """For a listener of Python's own: TLS 1.2 or later, callers verified where they show who."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_identity(context, contents.certificate, contents.key)
    if contents.authority is not None:
        load_authority(context, contents.authority)
        is_needed = clients is TlsClients.CERTIFICATE
        context.verify_mode = ssl.CERT_REQUIRED if is_needed else ssl.CERT_OPTIONAL
    return context


def client_context(contents: TlsContents) -> ssl.SSLContext:
    """To call others over HTTP: they are verified by the name that they are called by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if contents.authority is None:
        context.load_default_certs()
    else:
        load_authority(context, contents.authority)
    load_identity(context, contents.certificate, contents.key)
    return context


def channel_credentials(contents: TlsContents) -> grpc.ChannelCredentials:
    """To call others over gRPC: they are verified by the host that is dialled."""
    return grpc.ssl_channel_credentials(contents.authority, contents.key, contents.certificate)


def names_shown(auth_context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    """DNS and URI names of a caller's verified certificate, of gRPC's context of a call.

    Empty where the caller showed none. The common name is no name.
    """
    if [*auth_context.get("transport_security_type", ())] != [b"ssl"]:
        return ()
    shown = (*auth_context.get("peer_dns", ()), *auth_context.get("peer_uri", ()))
    return tuple(name.decode("utf-8", "replace") for name in shown)


def _read(path: Path, flag: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise BadSettings(f"{flag} {path} cannot be read: {error.strerror}") from error
    if len(content) > _BYTES_MAX:
        raise BadSettings(f"{flag} {path} is larger than 1 MiB: name a file of PEM")
    return content


def _check_identity(certificate: bytes, key: bytes, of: Path, key_of: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_identity(context, certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadSettings(
                f"the key in {key_of} does not fit the certificate in {of}: give the two that "
                "were made together"
            ) from error
        raise BadSettings(
            f"{of} and {key_of} are not a certificate and its key that can be used: both have to "
            f"be PEM, the key without a password ({error.reason or 'not PEM'})"
        ) from error


def _check_authority(authority: bytes, of: Path) -> None:
    try:
        load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authority)
    except (ssl.SSLError, ValueError) as error:
        raise BadSettings(f"{of} holds no certificates of authorities: it has to be PEM") from error
