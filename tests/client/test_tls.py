"""Both twins over TLS: whom they trust, what they show, and what they read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shoal
from certificates import LOOPBACK, Authority, WrittenTls, write_at_once
from fake_cluster import FakeCluster
from shoal._core.tls import Tls
from shoal._drivers.identity import Identity
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsFiles


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def nodes(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "nodes", *LOOPBACK)


@pytest.fixture
def own(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "own", "caller")


@pytest.fixture
def secured(nodes: WrittenTls) -> Iterator[FakeCluster]:
    """Two nodes that want to see a certificate."""
    files = TlsFiles(nodes.certificate, nodes.key, nodes.authority)
    cluster = FakeCluster(2, LiveTls(files.read, TlsClients.CERTIFICATE).server_credentials)
    yield cluster
    cluster.stop()


def url_of(cluster: FakeCluster, own: WrittenTls) -> str:
    return f"{cluster.url}?tls_ca={own.authority}&tls_cert={own.certificate}&tls_key={own.key}"


def test_both_sides_are_verified(
    secured: FakeCluster, own: WrittenTls, tmp_path: Path, connect: Callable[..., Any]
) -> None:
    client = connect(url_of(secured, own), timeout="10s")
    client.set_many({str(number): b"v" for number in range(20)})
    assert len(client.get_many([str(number) for number in range(20)])) == 20
    stranger = Authority().write(tmp_path, "stranger", "caller")
    for tls in (
        shoal.Tls(own.authority),
        shoal.Tls(stranger.authority, own.certificate, own.key),
        shoal.Tls(own.authority, stranger.certificate, stranger.key),
    ):
        with pytest.raises(shoal.ShoalError) as raised:
            connect(secured.url, tls=tls, timeout="200ms").get("0")
        assert isinstance(raised.value, shoal.Unavailable | shoal.DeadlineExceeded)


def test_what_certificates_are_for_may_be_said(
    secured: FakeCluster,
    nodes: WrittenTls,
    own: WrittenTls,
    authority: Authority,
    connect: Callable[..., Any],
) -> None:
    nodes.replace(authority.issue("nodes.shoal"))
    url = url_of(secured, own)
    with pytest.raises((shoal.Unavailable, shoal.DeadlineExceeded)):
        connect(url, timeout="200ms").get("k")
    client = connect(f"{url}&tls_server_name=nodes.shoal", timeout="10s")
    assert client.get("k") is shoal.MISSING


def test_all_certificates_are_replaced_and_no_caller_notices(
    secured: FakeCluster, nodes: WrittenTls, own: WrittenTls, connect: Callable[..., Any]
) -> None:
    client = connect(url_of(secured, own), timeout="20s")
    client.set("k", b"v")
    other = Authority()
    for written, name in ((nodes, LOOPBACK), (own, ("caller",))):
        written.replace(other.issue(*name))
        write_at_once(written.authority, other.certificate)
    for node in secured.nodes.values():
        node.stop()
        node.start()
    assert client.get("k") == b"v"
    assert len(client.get_many([str(number) for number in range(20)])) == 20


def test_files_are_read_again_but_for_moments_and_kept_where_they_cannot_be_used(
    own: WrittenTls, authority: Authority
) -> None:
    now = [0.0]
    identity = Identity(Tls(own.authority, own.certificate, own.key), lambda: now[0])
    first = identity.latest()
    own.replace(authority.issue("caller"))
    assert identity.latest() is first
    now[0] += 1
    second = identity.latest()
    assert second.key == own.key.read_bytes() != first.key
    now[0] += 1
    assert identity.latest() is second
    own.key.write_bytes(first.key or b"")
    now[0] += 1
    assert identity.latest() is second
    assert (second.key or b"").decode() not in repr(second)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda it: it.authority.unlink(), "tls authority .* cannot be read"),
        (lambda it: it.authority.write_text("x"), "is not PEM"),
        (lambda it: it.key.unlink(), "cannot be read"),
        (lambda it: it.key.write_bytes(Authority().issue("a").key), "not a certificate and its"),
    ],
)
def test_what_cannot_be_used_is_said_where_the_client_is_made(
    own: WrittenTls, connect: Callable[..., Any], harm: Callable[[WrittenTls], object], sentence
) -> None:
    harm(own)
    with pytest.raises(shoal.ConfigurationError, match=sentence):
        connect("shoal://a:1", tls=shoal.Tls(own.authority, own.certificate, own.key))
