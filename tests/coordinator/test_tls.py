"""A real coordinator with TLS everywhere: etcd, its API, its metrics."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from certificates import LOOPBACK, Authority, WrittenTls, serial_served
from cluster_views import live, view
from etcd_process import EtcdProcess, free_port
from shoal.cli.app import shoal
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import HttpServer
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsFiles
from shoal_coordinator.survey.ask import survey


@pytest.fixture
def own(tmp_path: Path) -> tuple[Authority, WrittenTls]:
    authority = Authority()
    return authority, authority.write(tmp_path, "own", *LOOPBACK)


class Running:
    """One coordinator over an etcd that wants certificates, as it does itself."""

    def __init__(self, etcd: EtcdProcess, own: WrittenTls, log: Path) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.log = log
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "shoal_coordinator.main", "--etcd", etcd.url),
                    *("--listen", f"127.0.0.1:{self.port}", "--partitions", "8"),
                    *("--metrics-listen", f"127.0.0.1:{self.metrics_port}"),
                    *("--tls-clients", "certificate", *own.flags(), *own.etcd_flags()),
                ],
                stderr=written,
            )

    def check(self, own: WrittenTls) -> bool:
        """Whether a command over TLS is answered."""
        flags = ["-c", f"127.0.0.1:{self.port}", *own.flags()]
        return CliRunner().invoke(shoal, ["config", "get", *flags]).exit_code == 0


@pytest.fixture
def running(
    etcd_binary: Path, tmp_path: Path, own: tuple[Authority, WrittenTls]
) -> Iterator[Running]:
    etcd = EtcdProcess(etcd_binary, tmp_path / "etcd", tls=own[1])
    etcd.start()
    made = Running(etcd, own[1], tmp_path / "log")
    yield made
    made.process.kill()
    made.process.wait()
    etcd.kill()


@pytest.mark.etcd
@pytest.mark.cluster
def test_it_serves_over_tls_alone_and_takes_other_certificates_while_it_runs(
    running: Running, own: tuple[Authority, WrittenTls], eventually
) -> None:
    authority, written = own
    eventually(lambda: running.check(written), what="it serves")
    with pytest.raises((ssl.SSLError, OSError)):
        urllib.request.urlopen(f"http://127.0.0.1:{running.metrics_port}/metrics", timeout=2)
    fresh = authority.issue(*LOOPBACK)
    written.replace(fresh)
    for port in (running.port, running.metrics_port):
        eventually(
            lambda port=port: serial_served("127.0.0.1", port, written) == fresh.serial,
            what="another certificate is shown",
        )
    written.key.write_text("no key")
    eventually(lambda: "stay as they were" in running.log.read_text(), what="bad files are told")
    written.replace(fresh)
    assert running.check(written)
    running.process.terminate()
    assert running.process.wait(20) == 0
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert {"certificates taken anew from their files"} <= {line["event"] for line in lines}
    assert "PRIVATE KEY" not in running.log.read_text()


async def test_nodes_are_asked_for_their_figures_over_tls(
    own: tuple[Authority, WrittenTls],
) -> None:
    files = TlsFiles(own[1].certificate, own[1].key, own[1].authority)
    tls = LiveTls(files.read, TlsClients.CERTIFICATE)

    def app(environ: dict[str, str], start_response) -> list[bytes]:
        assert environ["PATH_INFO"] == "/figures"
        start_response("200 OK", [])
        return [b'{"memory_bytes":7}']

    server = HttpServer(HostPort("127.0.0.1", 0), app, tls)
    node = live("a")
    registration = replace(node.registration, metrics_url=server.url("/metrics"))
    seen = view(nodes=(replace(node, registration=registration),))
    try:
        told = await survey(seen, lambda: 0.0, tls)
        assert [it.memory_bytes for it in told.nodes.values()] == [7]
        assert (await survey(seen, lambda: 0.0, None)).silent
    finally:
        await asyncio.to_thread(server.close)
