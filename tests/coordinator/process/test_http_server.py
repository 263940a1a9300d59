"""The small HTTP server, over TLS and while its certificates change."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import LOOPBACK, Authority, WrittenTls, serial_served
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import _CONNECTIONS_MAX, HttpServer
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsFiles, client_context


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def own(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "own", *LOOPBACK)


def files_of(own: WrittenTls) -> TlsFiles:
    return TlsFiles(own.certificate, own.key, own.authority)


def hello(_environ: object, start_response: object) -> list[bytes]:
    assert callable(start_response)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@contextlib.contextmanager
def served(tls: LiveTls | None) -> Iterator[HttpServer]:
    server = HttpServer(HostPort("127.0.0.1", 0), hello, tls)
    try:
        yield server
    finally:
        server.close()


def asked(server: HttpServer, context: ssl.SSLContext | None) -> bytes:
    with urllib.request.urlopen(server.url("/"), timeout=5, context=context) as answer:
        body: bytes = answer.read()
        return body


def test_without_certificates_it_is_plain() -> None:
    with served(None) as server:
        assert server.url("/").startswith("http://127.0.0.1:")
        assert asked(server, None) == b"hello"


def test_each_connection_is_shown_what_the_files_say_by_then(
    own: WrittenTls, authority: Authority
) -> None:
    with served(LiveTls(files_of(own).read)) as server:
        before = serial_served("127.0.0.1", server.address.port, own, shown=False)
        fresh = authority.issue(*LOOPBACK)
        own.replace(fresh)
        assert serial_served("127.0.0.1", server.address.port, own) == fresh.serial != before
        assert asked(server, client_context(files_of(own).read())) == b"hello"


def test_who_has_to_show_a_certificate_and_does_not_gets_no_answer(own: WrittenTls) -> None:
    with served(LiveTls(files_of(own).read, TlsClients.CERTIFICATE)) as server:
        with pytest.raises((OSError, urllib.error.URLError)):
            asked(server, ssl.create_default_context(cafile=own.authority))
        assert asked(server, client_context(files_of(own).read())) == b"hello"


def test_more_connections_than_are_answered_at_once_are_closed_and_others_answered_after() -> None:
    with served(None) as server:
        address = ("127.0.0.1", server.address.port)
        silent = [socket.create_connection(address, timeout=5) for _ in range(_CONNECTIONS_MAX)]
        with socket.create_connection(address, timeout=5) as refused:
            assert refused.recv(1) == b""
        for connection in silent:
            connection.close()
        deadline = time.monotonic() + 5
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert asked(server, None) == b"hello"
                return
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_one_that_never_ends_its_handshake_holds_nobody_up(
    own: WrittenTls, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        served(LiveTls(files_of(own).read)) as server,
        socket.create_connection(("127.0.0.1", server.address.port)) as silent,
    ):
        assert asked(server, client_context(files_of(own).read())) == b"hello"
        silent.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert asked(server, client_context(files_of(own).read())) == b"hello"
    assert "Traceback" not in capfd.readouterr().err
