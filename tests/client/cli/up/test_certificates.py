"""Certificates that openssl makes for a cluster on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.cli.up.certificates import Certificates
from shoal.cli.up.failures import UpFailed
from shoal_coordinator.process.tls import TlsFiles


def test_they_can_be_used_and_the_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    made = Certificates.beside(tmp_path)
    for _ in range(2):
        made.make()
        contents = TlsFiles(made.certificate, made.key, made.authority).read()
        assert contents.host == "localhost"
    assert made.authority.parent.stat().st_mode & 0o077 == 0


def test_without_openssl_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UpFailed, match="Install it"):
        Certificates.beside(tmp_path).make()
