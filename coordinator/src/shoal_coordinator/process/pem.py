"""PEM that is in memory, for contexts of the ``ssl`` module."""

from __future__ import annotations

import os
import ssl
from typing import IO


def load_authority(context: ssl.SSLContext, authority: bytes) -> None:
    """Trust who is in there. Raises ssl.SSLError and ValueError."""
    # Comments between certificates may be in any language.
    context.load_verify_locations(cadata=authority.decode("ascii", "ignore"))


def load_identity(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Show a certificate. Raises ssl.SSLError.

    OpenSSL takes both by the name of a file alone; these are in memory, and gone at once.
    """
    with _in_memory(certificate) as first, _in_memory(key) as second:
        context.load_cert_chain(
            f"/proc/self/fd/{first.fileno()}",
            f"/proc/self/fd/{second.fileno()}",
            password=_no_password,
        )


def _in_memory(content: bytes) -> IO[bytes]:
    file = os.fdopen(os.memfd_create("pem", os.MFD_CLOEXEC), "wb")
    file.write(content)
    file.flush()
    return file


def _no_password() -> str:
    """Rather than have OpenSSL ask at the terminal."""
    return ""
