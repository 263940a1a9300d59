"""Commands over TLS: flags, the environment, and what a command says of bad files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admin_process import AdminInThread
from certificates import LOOPBACK, Authority, WrittenTls
from cluster_views import CONFIG, live, member, record, view
from fake_cluster import FakeCluster
from shoal.cli.app import shoal
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import HttpServer
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsFiles

METRICS = b"shoal_entries 7\nshoal_memory_bytes 1\n"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> WrittenTls:
    return Authority().write(tmp_path_factory.mktemp("tls"), "own", *LOOPBACK)


@pytest.fixture(scope="module")
def tls(own: WrittenTls) -> LiveTls:
    files = TlsFiles(own.certificate, own.key, own.authority)
    return LiveTls(files.read, TlsClients.CERTIFICATE)


@pytest.fixture(scope="module")
def node_url(tls: LiveTls) -> Iterator[str]:
    cluster = FakeCluster(1, tls.server_credentials)
    yield cluster.url
    cluster.stop()


@pytest.fixture(scope="module")
def metrics(tls: LiveTls) -> Iterator[str]:
    def app(environ: dict[str, str], start_response) -> list[bytes]:
        start_response("200 OK", [])
        return [b"{}" if environ["PATH_INFO"] == "/introspection" else METRICS]

    server = HttpServer(HostPort("127.0.0.1", 0), app, tls)
    yield server.url("/metrics")
    server.close()


@pytest.fixture(scope="module")
def coordinator(tls: LiveTls, metrics: str) -> Iterator[str]:
    node = live("a")
    node = replace(node, registration=replace(node.registration, metrics_url=metrics))
    seen = view(
        nodes=(node,),
        members=(member("a"),),
        records=(record(0, "a", preference="a"),),
        config=replace(CONFIG, partition_count=1),
    )
    with AdminInThread(seen, tls) as admin:
        yield admin.address


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(shoal, arguments, env=env)


def test_keys_are_stored_and_read_by_flags_and_by_the_environment(
    own: WrittenTls, node_url: str
) -> None:
    stored = run("set", "k", "v", "-u", node_url, *own.flags())
    assert stored.exit_code == 0, stored.output
    environment = {
        "SHOAL_URL": node_url.replace("shoals://", "shoal://"),
        "SHOAL_TLS_CA": str(own.authority),
        "SHOAL_TLS_CERT": str(own.certificate),
        "SHOAL_TLS_KEY": str(own.key),
    }
    assert run("get", "k", env=environment).stdout.strip() == "v"


def test_coordinators_and_what_they_name_are_asked_over_tls(
    own: WrittenTls, coordinator: str
) -> None:
    told = run("node", "list", "-o", "json", "-c", coordinator, *own.flags())
    assert told.exit_code == 0, told.output
    seen = run(
        "top", "--count", "1", "--every", "0.2", "-o", "json", "-c", coordinator, *own.flags()
    )
    assert json.loads(seen.stdout)["nodes"][0]["entries"] == 7, seen.output
    asked = run("hotkeys", "-o", "json", "-c", coordinator, *own.flags())
    assert "does not tell of itself" not in asked.output


def test_without_flags_nobody_answers(coordinator: str, node_url: str) -> None:
    assert run("node", "list", "-c", coordinator).exit_code == 3
    assert run("get", "k", "-u", f"{node_url}?timeout=300ms").exit_code == 3


@pytest.mark.parametrize("where", [("node", "list", "-c", "127.0.0.1:1"), ("get", "k")])
def test_what_cannot_be_used_is_said(own: WrittenTls, where: tuple[str, ...]) -> None:
    alone = run(*where, f"--tls-cert={own.certificate}")
    assert alone.exit_code == 2
    assert "--tls-cert and --tls-key go together" in alone.stderr
    missing = run(*where, f"--tls-ca={Path('/nowhere')}")
    assert missing.exit_code == 2
    assert "/nowhere cannot be read" in missing.stderr
