"""Whether a listener may be where other machines reach it."""

from __future__ import annotations

from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.tls import TlsClients
from shoal_coordinator.process.tls_settings import TlsSettings


def check_exposure(
    flag: str, address: HostPort, tls: TlsSettings, *, has_access: bool, is_insecure: bool
) -> None:
    """Refuse what others could listen to, or could call without saying who they are.

    ``has_access``: there is an access file. Raises BadSettings.
    """
    if address.is_loopback or is_insecure:
        return
    reached = f"{flag} {address} can be reached from other machines"
    if tls.own is None:
        raise BadSettings(
            f"{reached}, without TLS: say --tls-cert, --tls-key and --tls-ca, take a loopback "
            "address such as 127.0.0.1, or say --insecure"
        )
    if not has_access and tls.clients is not TlsClients.CERTIFICATE:
        raise BadSettings(
            f"{reached}, by anybody: say who may do what with --access FILE, or "
            "--tls-clients certificate, take a loopback address such as 127.0.0.1, or say "
            "--insecure"
        )
