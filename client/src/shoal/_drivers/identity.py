"""The files of a client's TLS, as they were read last. For both drivers, from any thread."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Final

import grpc

from shoal._core.tls import Tls
from shoal._errors import ConfigurationError

_READ_EVERY_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Shown:
    """PEM: what a channel was opened with."""

    authority: bytes | None
    certificate: bytes | None
    key: bytes | None = field(repr=False)

    def credentials(self) -> grpc.ChannelCredentials:
        """As gRPC takes them."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


class Identity:
    """What the next channel is opened with."""

    def __init__(self, tls: Tls, clock: Callable[[], float] = monotonic) -> None:
        """Read the files. Raises ConfigurationError."""
        self._tls = tls
        self._clock = clock
        self._lock = Lock()
        self._shown = _read(tls)
        self._read_at = clock()

    @property
    def options(self) -> list[tuple[str, Any]]:
        """Channel arguments beside those of every channel."""
        name = self._tls.server_name
        return [] if name is None else [("grpc.ssl_target_name_override", name)]

    def latest(self) -> Shown:
        """Return the same object while nothing changes.

        The files are read again, but for moments. What cannot be used leaves the last.
        """
        with self._lock:
            now = self._clock()
            if now - self._read_at < _READ_EVERY_SECONDS:
                return self._shown
            self._read_at = now
            try:
                shown = _read(self._tls)
            except ConfigurationError:
                return self._shown
            if shown != self._shown:
                self._shown = shown
            return self._shown


def _read(tls: Tls) -> Shown:
    if tls.certificate is not None:
        _check_pair(str(tls.certificate), str(tls.key))
    return Shown(
        _content(tls.authority, "authority"),
        _content(tls.certificate, "certificate"),
        _content(tls.key, "key"),
    )


def _content(path: Any, name: str) -> bytes | None:
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"tls {name} {path} cannot be read: {error.strerror}") from error
    if b"-----BEGIN" not in content:
        raise ConfigurationError(f"tls {name} {path} is not PEM")
    return content


def _check_pair(certificate: str, key: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, lambda: "")
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{certificate} and {key} are not a certificate and its key, PEM, without a password "
            f"({error.reason or 'not PEM'})"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"tls certificate {certificate} or its key {key} cannot be read: {error.strerror}"
        ) from error
