"""Certificates for a cluster on this machine, made by openssl: an authority, and one for all.

They are good for ``DAYS`` and made anew at every start. Imports the standard library alone: the
supervisor stays small.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from shoal.cli.up.failures import UpFailed

DAYS = 30
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where they are. Programs show the same one; so may a caller that wants to show one."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def beside(cls, directory: Path) -> Certificates:
        """In a folder of their own in the directory of a cluster."""
        folder = directory / "tls"
        return cls(folder / "ca.pem", folder / "shoal.pem", folder / "shoal.key")

    @property
    def flags(self) -> tuple[str, ...]:
        """For a program."""
        return (
            *("--tls-cert", str(self.certificate)),
            *("--tls-key", str(self.key)),
            *("--tls-ca", str(self.authority)),
        )

    def make(self) -> None:
        """Make all of them anew. Raises UpFailed."""
        folder = self.authority.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority_key = self.authority.with_suffix(".key")
        _openssl(
            *_NEW_KEY,
            *("-subj", "/CN=shoal up"),
            *("-keyout", str(authority_key), "-out", str(self.authority)),
        )
        _openssl(
            *_NEW_KEY,
            *("-subj", "/CN=shoal"),
            *("-addext", _NAMES, "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", str(self.authority), "-CAkey", str(authority_key)),
            *("-keyout", str(self.key), "-out", str(self.certificate)),
        )


def _openssl(*arguments: str) -> None:
    command = ("openssl", "req", "-x509", "-days", str(DAYS), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise UpFailed(
            f"--tls makes certificates with openssl, which cannot be run: {error.strerror}. "
            "Install it, 3.0 or later"
        ) from error
    if done.returncode != 0:
        raise UpFailed(
            "openssl does not make certificates; it has to be 3.0 or later: "
            f"{done.stderr.strip()[-300:]}"
        )
