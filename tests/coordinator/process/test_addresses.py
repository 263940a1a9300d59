"""Addresses as settings give them."""

from __future__ import annotations

import pytest

from shoal_coordinator.process.addresses import HostPort, parse_host_port
from shoal_coordinator.process.errors import BadSettings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
        ("localhost:7400", HostPort("localhost", 7400)),
        ("[::1]:7400", HostPort("::1", 7400)),
    ],
)
def test_addresses_are_read_and_written(text: str, address: HostPort) -> None:
    assert parse_host_port(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "7400", ":7400", "host:", "host:x", "::1:7400", "h:65536"])
def test_what_is_not_an_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadSettings, match="is not an address: write HOST:PORT"):
        parse_host_port(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_loopback(host: str) -> None:
    assert HostPort(host, 1).is_loopback
    assert not HostPort(host, 1).is_wildcard


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_is_none_of_them(host: str) -> None:
    assert HostPort(host, 1).is_wildcard
    assert not HostPort(host, 1).is_loopback
