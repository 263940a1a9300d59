"""Tokens: as they travel, and as they are kept.

A token is a random text of 256 bits, so that its SHA-256 can stand in a file that is read by
many: nobody finds the token from that. Where it is compared, digests are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from shoal_coordinator.process.errors import BadSettings

AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "
_LENGTH_MIN: Final = 32
_LENGTH_MAX: Final = 1024


class Unreadable(Exception):
    """What stands in ``authorization`` is no token."""


def digest_of(token: str) -> bytes:
    """SHA-256 of a token."""
    return hashlib.sha256(token.encode()).digest()


def shown(authorization: str | None) -> bytes | None:
    """The digest of the token that is shown, None where there is none. Raises Unreadable."""
    if authorization is None:
        return None
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise Unreadable
    return digest_of(authorization[len(_SCHEME) :].strip())


def metadata_of(token: str | None) -> tuple[tuple[str, str], ...]:
    """As gRPC takes it beside a call."""
    return () if token is None else ((AUTHORIZATION, f"Bearer {token}"),)


def read_token(path: Path, flag: str) -> str:
    """The token that a file holds and nothing else. Raises BadSettings, and tells no token."""
    try:
        with path.open("rb") as file:
            content = file.read(_LENGTH_MAX + 1)
    except OSError as error:
        raise BadSettings(f"{flag} {path} cannot be read: {error.strerror}") from error
    token = content.decode("ascii", "replace").strip()
    is_token = token.isascii() and token.isprintable() and " " not in token
    if not is_token or not _LENGTH_MIN <= len(token) <= _LENGTH_MAX:
        raise BadSettings(
            f"{flag} {path} has to hold one token and nothing else, of {_LENGTH_MIN} to "
            f"{_LENGTH_MAX} characters: `shoal access token` makes one"
        )
    return token
