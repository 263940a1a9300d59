"""What host a certificate is for, so that a process can call itself by that name."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.pem import load_authority, load_identity

_ROUND_TRIPS_MAX = 5


def own_name(certificate: bytes, key: bytes, of: Path) -> str:
    """A host that the certificate in the file ``of`` is for, a name rather than an address.

    Raises BadSettings where there is none, or where the certificate is not valid now: then
    nobody could call this process.
    """
    try:
        names = _names(certificate, key)
    except ssl.SSLCertVerificationError as error:
        raise BadSettings(
            f"the certificate in {of} is not valid now ({error.verify_message}): give another"
        ) from error
    hosts = [name for kind, name in names if kind == "DNS"]
    hosts += [name for kind, name in names if kind == "IP Address"]
    if not hosts:
        raise BadSettings(
            f"the certificate in {of} is for no host: it needs the DNS name or the address by "
            "which others reach this program as a subject alternative name"
        )
    return hosts[0].replace("*", "any")


def _names(certificate: bytes, key: bytes) -> list[tuple[str, str]]:
    """Python reads a certificate for the other side of a connection alone: so be both."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    load_authority(trusting, certificate)
    showing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_identity(showing, certificate, key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up)
    server = showing.wrap_bio(up, down, server_side=True)
    for _ in range(_ROUND_TRIPS_MAX):
        for end in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown: Any = (client.getpeercert() or {}).get("subjectAltName", ())
    return [(str(name[0]), str(name[1])) for name in shown]
