"""``--tls-*`` and ``--etcd-*`` of a program: the same for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.reloaded import Reloaded, remembering
from shoal_coordinator.process.tls import (
    EtcdTlsFiles,
    TlsClients,
    TlsContents,
    TlsFiles,
)
from shoal_coordinator.registry.etcd.credentials import EtcdCredentials
from shoal_coordinator.registry.etcd.urls import asks_for_tls

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What a program was told of TLS. ``own``: None where its listeners are plain."""

    own: TlsFiles | None = None
    clients: TlsClients = TlsClients.ANY
    etcd: EtcdTlsFiles = field(default_factory=EtcdTlsFiles)

    def check_etcd(self, urls: str) -> None:
        """Whether ``--etcd`` fits. Raises BadEtcdUrl and BadSettings."""
        if not asks_for_tls(urls) and self.etcd != EtcdTlsFiles():
            raise BadSettings(
                "--etcd-ca, --etcd-cert and --etcd-key are for TLS, and --etcd names no https://: "
                "write https:// there, or leave them out"
            )

    def own_contents(self) -> Reloaded[TlsContents] | None:
        """Read for the first time. Raises BadSettings."""
        return None if self.own is None else Reloaded("certificates", remembering(self.own.read))

    def etcd_contents(self, urls: str) -> Reloaded[EtcdCredentials] | None:
        """None where etcd is reached without TLS. Raises BadSettings."""
        if not asks_for_tls(urls):
            return None
        return Reloaded("certificates for etcd", remembering(self.etcd.read))


def tls_settings(
    *,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_ca: Path | None,
    tls_clients: str,
    etcd_ca: Path | None,
    etcd_cert: Path | None,
    etcd_key: Path | None,
) -> TlsSettings:
    """What ``tls_options`` have taken, checked against each other. Raises BadSettings."""
    clients = TlsClients(tls_clients)
    _check_pair("--tls-cert", tls_cert, "--tls-key", tls_key)
    _check_pair("--etcd-cert", etcd_cert, "--etcd-key", etcd_key)
    if tls_cert is None or tls_key is None:
        if tls_ca is not None:
            raise BadSettings(
                "--tls-ca says whom to trust over TLS, which needs --tls-cert and --tls-key as well"
            )
        if clients is TlsClients.CERTIFICATE:
            raise BadSettings(
                "--tls-clients certificate needs TLS: say --tls-cert, --tls-key and --tls-ca"
            )
        own = None
    else:
        own = TlsFiles(tls_cert, tls_key, tls_ca)
    if clients is TlsClients.CERTIFICATE and tls_ca is None:
        raise BadSettings(
            "--tls-clients certificate needs --tls-ca FILE: who signs the certificates that "
            "callers show"
        )
    return TlsSettings(own, clients, EtcdTlsFiles(etcd_ca, etcd_cert, etcd_key))


def tls_options(command: _Command) -> _Command:
    """Flags of a program, passed on as ``tls_settings`` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _check_pair(one: str, one_path: Path | None, other: str, other_path: Path | None) -> None:
    if (one_path is None) != (other_path is None):
        given, missing = (one, other) if other_path is None else (other, one)
        raise BadSettings(f"{given} needs {missing}: a certificate and its key go together")


def _file(flag: str, help_: str) -> Callable[[_Command], _Command]:
    return click.option(flag, type=click.Path(path_type=Path), metavar="FILE", help=help_)


_OPTIONS: Final = (
    _file("--tls-cert", "This program's certificate, PEM: listeners speak TLS, and others see it."),
    _file("--tls-key", "Its key."),
    _file("--tls-ca", "Who signs the certificates of those it talks to."),
    click.option(
        "--tls-clients",
        type=click.Choice([clients.value for clients in TlsClients]),
        default=TlsClients.ANY.value,
        help="Whether callers have to show a certificate.",
    ),
    _file("--etcd-ca", "Who signs etcd's certificate, for https:// in --etcd."),
    _file("--etcd-cert", "The certificate that etcd is shown."),
    _file("--etcd-key", "Its key."),
)
