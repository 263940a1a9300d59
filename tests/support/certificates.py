"""Certificates for tests: authorities that sign what a test asks for.

Keys are of P-256, made in well under a millisecond. Names that read as an address or have a
scheme become alternative names of that kind, all others are DNS names; the common name is
none of them, so that a test fails where it is looked at.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""What a program on this machine is called by others."""
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class WrittenTls:
    """Where an identity stands, and who signs those it talks to."""

    certificate: Path
    key: Path
    authority: Path

    def flags(self) -> list[str]:
        """For a program."""
        return [
            f"--tls-cert={self.certificate}",
            f"--tls-key={self.key}",
            f"--tls-ca={self.authority}",
        ]

    def etcd_flags(self) -> list[str]:
        """For a program that shows this identity to etcd."""
        return [
            f"--etcd-cert={self.certificate}",
            f"--etcd-key={self.key}",
            f"--etcd-ca={self.authority}",
        ]

    def replace(self, identity: Identity) -> None:
        """Take another identity, each file at once."""
        write_at_once(self.certificate, identity.certificate)
        write_at_once(self.key, identity.key)


class Authority:
    """Signs certificates of programs and of callers."""

    def __init__(self, name: str = "authority of a test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (_usage(signs_certificates=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False),
        ]
        certificate = _certificate(
            self._name, self._name, self._key, self._key, extensions, (-_DAY, _DAY)
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, *names: str, valid: tuple[dt.timedelta, dt.timedelta] = (-_DAY, _DAY)
    ) -> Identity:
        """Sign a new key for these names. ``valid``: from and to, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                False,
            ),
            (
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                False,
            ),
        ]
        if names:
            extensions.append((x509.SubjectAlternativeName([*map(_alternative, names)]), False))
        certificate = _certificate(
            _named("nobody looks here"), self._name, key, self._key, extensions, valid
        )
        return Identity(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            certificate.serial_number,
        )

    def write(self, folder: Path, stem: str, *names: str) -> WrittenTls:
        """Issue for ``names`` and write it, with this authority's own certificate beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        written = WrittenTls(folder / f"{stem}.pem", folder / f"{stem}.key", folder / f"{stem}.ca")
        written.replace(self.issue(*names))
        write_at_once(written.authority, self.certificate)
        return written


def write_at_once(path: Path, content: bytes) -> None:
    """Who reads meanwhile sees all of the old content or all of the new."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_bytes(content)
    aside.chmod(0o600)
    aside.rename(path)


def serial_served(host: str, port: int, trusted: WrittenTls, *, shown: bool = True) -> int:
    """The number of the certificate that a new connection is shown. ``shown``: show one as well.

    Raises ssl.SSLError where the two do not agree. Speaks no protocol above TLS.
    """
    context = ssl.create_default_context(cafile=trusted.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if shown:
        context.load_cert_chain(trusted.certificate, trusted.key)
    with (
        socket.create_connection((host, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
    valid: tuple[dt.timedelta, dt.timedelta],
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0])
        .not_valid_after(now + valid[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
