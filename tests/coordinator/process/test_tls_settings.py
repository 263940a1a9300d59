"""``--tls-*`` and ``--etcd-*``: which of them go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.tls import EtcdTlsFiles, TlsClients, TlsFiles
from shoal_coordinator.process.tls_settings import TlsSettings, tls_settings

CERT, KEY, CA = Path("cert"), Path("key"), Path("ca")
NOTHING: dict[str, Any] = {
    "tls_cert": None,
    "tls_key": None,
    "tls_ca": None,
    "tls_clients": "any",
    "etcd_ca": None,
    "etcd_cert": None,
    "etcd_key": None,
}


def test_nothing_said_is_no_tls() -> None:
    assert tls_settings(**NOTHING) == TlsSettings()
    assert TlsSettings().own_contents() is None
    assert TlsSettings().etcd_contents("http://a") is None
    assert TlsSettings().etcd_contents("https://a") is not None


def test_all_of_it_said() -> None:
    told = tls_settings(
        tls_cert=CERT,
        tls_key=KEY,
        tls_ca=CA,
        tls_clients="certificate",
        etcd_ca=CA,
        etcd_cert=CERT,
        etcd_key=KEY,
    )
    files = EtcdTlsFiles(CA, CERT, KEY)
    assert told == TlsSettings(TlsFiles(CERT, KEY, CA), TlsClients.CERTIFICATE, files)
    told.check_etcd("https://a:1")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"tls_cert": CERT}, "--tls-cert needs --tls-key"),
        ({"tls_key": KEY}, "--tls-key needs --tls-cert"),
        ({"tls_ca": CA}, "needs --tls-cert and --tls-key as well"),
        ({"tls_clients": "certificate"}, "needs TLS"),
        (
            {"tls_cert": CERT, "tls_key": KEY, "tls_clients": "certificate"},
            "needs --tls-ca FILE",
        ),
        ({"etcd_cert": CERT}, "--etcd-cert needs --etcd-key"),
        ({"etcd_key": KEY}, "--etcd-key needs --etcd-cert"),
    ],
)
def test_what_does_not_go_together_is_refused(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSettings, match=sentence):
        tls_settings(**{**NOTHING, **said})


def test_certificates_for_an_etcd_that_is_reached_without_tls_are_refused() -> None:
    with pytest.raises(BadSettings, match="write https:// there"):
        tls_settings(**{**NOTHING, "etcd_ca": CA}).check_etcd("http://a:1")
