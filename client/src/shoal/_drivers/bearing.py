"""Calls that show a token. For both drivers, from any thread.

A file is read again at most once a second, when a call is made; what cannot be used leaves
the token that was read before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

import grpc

from shoal._core.token import Token, is_token
from shoal._errors import ConfigurationError

_READ_EVERY_SECONDS: Final = 1.0
_BYTES_MAX: Final = 4096

Metadata = tuple[tuple[str, str], ...]


class Bearer:
    """The token of now."""

    def __init__(self, token: Token, clock: Callable[[], float] = monotonic) -> None:
        """Read the file, where there is one. Raises ConfigurationError."""
        self._file = token.file
        self._clock = clock
        self._read_at = clock()
        # Threads may read the file at once, which does no harm.
        self._metadata = _metadata(_read(token.file) if token.text is None else token.text)

    def metadata(self) -> Metadata:
        """As gRPC takes it beside a call."""
        if self._file is not None:
            now = self._clock()
            if now - self._read_at >= _READ_EVERY_SECONDS:
                self._read_at = now
                try:
                    self._metadata = _metadata(_read(self._file))
                except ConfigurationError:
                    return self._metadata
        return self._metadata


class Bearing:
    """A method of a stub that shows a token with each call."""

    __slots__ = ("_bearer", "_method")

    def __init__(self, method: Any, bearer: Bearer) -> None:
        self._method = method
        self._bearer = bearer

    def __call__(self, request: Any, timeout: float | None = None) -> Any:
        """As the method itself."""
        return self._method(request, timeout=timeout, metadata=self._bearer.metadata())

    def future(self, request: Any, timeout: float | None = None) -> Any:
        """As the method's own."""
        return self._method.future(request, timeout=timeout, metadata=self._bearer.metadata())


class Shown(grpc.UnaryUnaryClientInterceptor):
    """Has every unary call of a channel show this."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        """See grpc."""
        details = grpc.ClientCallDetails()
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            setattr(details, name, getattr(client_call_details, name, None))
        details.metadata = (*(client_call_details.metadata or ()), *self._metadata)
        return continuation(details, request)


def bearing(methods: dict[str, Any], bearer: Bearer | None) -> dict[str, Any]:
    """The methods, all of them with the token; as they are where there is none."""
    if bearer is None:
        return methods
    return {name: Bearing(method, bearer) for name, method in methods.items()}


def _metadata(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def _read(file: str | None) -> str:
    assert file is not None, "a token is a text or in a file"
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigurationError(f"token_file {file} cannot be read: {error.strerror}") from error
    if not is_token(text):
        raise ConfigurationError(f"token_file {file} has to hold one token and nothing else")
    return text
