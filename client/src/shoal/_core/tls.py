"""How a client speaks TLS: names of files, and the name that nodes are verified by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike, fspath

from shoal._errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to every node. Files are PEM; they are read again when a connection cannot be made.

    ``authority`` names who signs the nodes' certificates; left out, the authorities that gRPC
    trusts do. ``certificate`` and ``key`` go together: the identity that nodes are shown.
    ``server_name`` is what nodes' certificates are for, where that is not the host by which
    they are reached. Raises ConfigurationError.
    """

    authority: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str | PathLike) or not fspath(value):
                raise ConfigurationError(f"Tls({name}=) must be a text, not {value!r}")
            object.__setattr__(self, name, fspath(value))
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError(
                "Tls(certificate=) and Tls(key=) go together: give both, or neither"
            )
