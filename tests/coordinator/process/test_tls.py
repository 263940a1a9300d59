"""What is read of certificates, and what is said of those that cannot be used."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certificates import LOOPBACK, Authority, WrittenTls, write_at_once
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.reloaded import Reloaded, remembering
from shoal_coordinator.process.tls import (
    EtcdTlsFiles,
    TlsClients,
    TlsFiles,
    client_context,
    names_shown,
    server_context,
)

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def written(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "node", *LOOPBACK)


def files_of(written: WrittenTls) -> TlsFiles:
    return TlsFiles(written.certificate, written.key, written.authority)


def lock(path: Path) -> None:
    """Give a key a password."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        pytest.param(lambda it: it.key.unlink(), "--tls-key .* cannot be read", id="no key"),
        pytest.param(
            lambda it: it.key.write_bytes(Authority().issue("other").key),
            "does not fit the certificate",
            id="another key",
        ),
        pytest.param(lambda it: lock(it.key), "key without a password", id="locked"),
        pytest.param(
            lambda it: it.replace(Authority().issue("a", valid=(-2 * DAY, -DAY))),
            "not valid now",
            id="expired",
        ),
        pytest.param(
            lambda it: it.replace(Authority().issue("spiffe://a/b")), "for no host", id="no host"
        ),
        pytest.param(lambda it: it.certificate.write_text("x"), "both have to be PEM", id="no PEM"),
        pytest.param(lambda it: it.authority.write_text(""), "has to be PEM", id="no authority"),
        pytest.param(
            lambda it: it.authority.write_bytes(b"\0" * (1 << 21)), "larger than 1 MiB", id="long"
        ),
    ],
)
def test_what_cannot_be_used_is_said(
    written: WrittenTls, harm: Callable[[WrittenTls], object], sentence: str
) -> None:
    assert files_of(written).read().certificate == written.certificate.read_bytes()
    harm(written)
    with pytest.raises(BadSettings, match=sentence):
        files_of(written).read()


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("10.1.2.3", "node-1.shoal"), "node-1.shoal"),
        (("*.shoal.svc", "10.1.2.3"), "any.shoal.svc"),
        (("10.1.2.3", "spiffe://a/b"), "10.1.2.3"),
    ],
)
def test_a_host_of_the_certificate_is_known(
    tmp_path: Path, authority: Authority, names: tuple[str, ...], host: str
) -> None:
    assert files_of(authority.write(tmp_path, "node", *names)).read().host == host


def test_of_etcd_each_part_may_be_left_out(written: WrittenTls) -> None:
    whole = EtcdTlsFiles(written.authority, written.certificate, written.key)
    assert whole.read().key == written.key.read_bytes()
    assert whole.read(whole.read()) == whole.read()
    assert EtcdTlsFiles(written.authority).read().certificate is None
    assert EtcdTlsFiles().read().authority is None
    with pytest.raises(BadSettings, match=r"--etcd-ca .* cannot be read"):
        replace(whole, authority=written.authority.with_name("nowhere")).read()


def test_no_key_is_shown_where_contents_are_printed(written: WrittenTls) -> None:
    secret = written.key.read_text().splitlines()[1]
    assert secret not in repr(files_of(written).read())
    assert secret not in repr(EtcdTlsFiles(None, written.certificate, written.key).read())


def test_other_content_is_taken_and_what_cannot_be_used_is_not(
    written: WrittenTls, authority: Authority
) -> None:
    kept = Reloaded("certificates", remembering(files_of(written).read))
    first = kept.content
    assert not kept.check()
    assert files_of(written).read(first) is first
    assert files_of(written).read(replace(first, key=b"another")).key == first.key
    fresh = authority.issue(*LOOPBACK)
    write_at_once(written.certificate, fresh.certificate)
    assert not kept.check(), "the key is still the old one"
    assert kept.content is first
    write_at_once(written.key, fresh.key)
    assert kept.check()
    assert kept.content.key == fresh.key
    written.key.unlink()
    assert not kept.check()
    assert kept.content.key == fresh.key


@pytest.mark.parametrize("clients", TlsClients)
@pytest.mark.parametrize("shows", [None, "of the authority", "of another"])
def test_callers_are_verified(
    written: WrittenTls,
    authority: Authority,
    tmp_path: Path,
    clients: TlsClients,
    shows: str | None,
) -> None:
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    if shows is not None:
        signer = authority if shows == "of the authority" else Authority()
        caller = signer.write(tmp_path, "caller", "caller")
        client.load_cert_chain(caller.certificate, caller.key)
    server = server_context(files_of(written).read(), clients)
    good = shows == "of the authority" or (shows is None and clients is TlsClients.ANY)
    if good:
        handshake(client, server)
    else:
        with pytest.raises(ssl.SSLError):
            handshake(client, server)


def test_who_is_called_is_verified(written: WrittenTls, tmp_path: Path) -> None:
    contents = files_of(written).read()
    handshake(client_context(contents), server_context(contents, TlsClients.CERTIFICATE))
    other = Authority().write(tmp_path, "other", *LOOPBACK)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(contents), server_context(files_of(other).read(), TlsClients.ANY))


def test_names_are_those_of_a_verified_certificate() -> None:
    shown = {"peer_dns": [b"a"], "peer_uri": [b"spiffe://b"], "x509_common_name": [b"c"]}
    assert names_shown({**shown, "transport_security_type": [b"ssl"]}) == ("a", "spiffe://b")
    assert names_shown(shown) == ()


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Have both come to an agreement in memory, and the server say a word to the client."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(down, up, server_hostname="127.0.0.1")
    serving = server.wrap_bio(up, down, server_side=True)
    waiting = [calling.do_handshake, serving.do_handshake]
    for _ in range(10):
        for step in [*waiting]:
            try:
                step()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(step)
    assert not waiting
    serving.write(b"word")
    assert calling.read(4) == b"word"
