"""Where listeners may be, and what has to be said for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.exposure import check_exposure
from shoal_coordinator.process.tls import TlsClients, TlsFiles
from shoal_coordinator.process.tls_settings import TlsSettings

PLAIN = TlsSettings()
FILES = TlsFiles(Path("c"), Path("k"), Path("a"))
ANY = TlsSettings(FILES)
CERTIFICATE = TlsSettings(FILES, TlsClients.CERTIFICATE)
REFUSED = [
    (PLAIN, False, "without TLS: say --tls-cert"),
    (PLAIN, True, "without TLS: say --tls-cert"),
    (ANY, False, "by anybody: say who may do what with --access FILE"),
]


@pytest.mark.parametrize(("tls", "has_access", "sentence"), REFUSED)
def test_what_all_could_reach_needs_tls_and_somebody_who_is_known(
    tls: TlsSettings, has_access: bool, sentence: str
) -> None:
    def check(host: str, *, is_insecure: bool) -> None:
        check_exposure(
            "--listen", HostPort(host, 1), tls, has_access=has_access, is_insecure=is_insecure
        )

    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"):
        with pytest.raises(BadSettings, match=sentence):
            check(host, is_insecure=False)
        check(host, is_insecure=True)
    for host in ("127.0.0.1", "::1", "localhost"):
        check(host, is_insecure=False)


@pytest.mark.parametrize(
    ("tls", "has_access"), [(ANY, True), (CERTIFICATE, False), (CERTIFICATE, True)]
)
def test_who_says_so_may_listen_everywhere(tls: TlsSettings, has_access: bool) -> None:
    everywhere = HostPort("0.0.0.0", 1)
    check_exposure("--listen", everywhere, tls, has_access=has_access, is_insecure=False)
