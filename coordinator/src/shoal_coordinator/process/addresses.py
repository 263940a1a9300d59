"""HOST:PORT, as settings give it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from shoal_coordinator.process.errors import BadSettings

_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on or to be reached at. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_wildcard(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


def parse_host_port(text: str) -> HostPort:
    """Read ``HOST:PORT``, IPv6 addresses in brackets. Raises BadSettings."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > _PORT_MAX:
        raise BadSettings(
            f"{text!r} is not an address: write HOST:PORT, such as 127.0.0.1:7300 or [::1]:7300"
        )
    return HostPort(host, int(port))
