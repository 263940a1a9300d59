"""A real cluster with mutual TLS everywhere: what it does, whom it turns away, and every
certificate replaced under load, its authority's too."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

import shoal
from certificates import LOOPBACK, Authority, WrittenTls, serial_served, write_at_once
from etcd_process import EtcdProcess, free_port
from shoal.v1 import cache_pb2, cache_pb2_grpc
from shoal_coordinator.process.tls import TlsFiles, client_context

pytestmark = [pytest.mark.etcd, pytest.mark.cluster]

NODES = ("a", "b", "c")
KEYS = [f"key:{number}" for number in range(24)]
MUTUAL = ("--tls-clients", "certificate")
TAKEN = "certificates taken anew from their files"


@dataclass
class Secured:
    """Three nodes and a coordinator, each with a certificate of its own."""

    etcd: EtcdProcess
    folder: Path
    authority: Authority
    written: dict[str, WrittenTls] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    metrics_ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> None:
        if name not in self.written:
            self.written[name] = self.authority.write(self.folder, name, *LOOPBACK)
            self.ports[name] = free_port()
        assert self.etcd.tls is not None
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", *command, "--etcd", self.etcd.url, *MUTUAL),
                    *("--id", name, "--listen", f"127.0.0.1:{self.ports[name]}"),
                    *self.written[name].flags(),
                    *self.etcd.tls.etcd_flags(),
                ],
                stderr=log,
            )

    def start_node(self, name: str) -> None:
        metrics = self.metrics_ports.setdefault(name, free_port())
        self.start(
            name,
            *("shoal_node.main", "--maxmemory", "128MiB", "--threads", "1"),
            *("--metrics-listen", f"127.0.0.1:{metrics}"),
        )

    def handshakes_failed(self, name: str, own: WrittenTls) -> float:
        """Of callers, as the node counts them."""
        tls = TlsFiles(own.certificate, own.key, own.authority).read()
        with urllib.request.urlopen(
            f"https://127.0.0.1:{self.metrics_ports[name]}/metrics",
            timeout=5,
            context=client_context(tls),
        ) as told:
            families = text_string_to_metric_families(told.read().decode())
            samples = [it for family in families for it in family.samples]
        return next(
            it.value
            for it in samples
            if it.name == "shoal_tls_handshakes_total"
            and it.labels == {"side": "accepted", "outcome": "failed"}
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def client(self, own: WrittenTls) -> shoal.Client:
        seeds = [f"127.0.0.1:{self.ports[name]}" for name in NODES]
        tls = shoal.Tls(own.authority, own.certificate, own.key)
        return shoal.Client(seeds, tls=tls, timeout="10s")

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def secured(etcd_binary: Path, tmp_path: Path) -> Iterator[Secured]:
    etcd = EtcdProcess(
        etcd_binary, tmp_path / "etcd", tls=Authority().write(tmp_path, "etcd", *LOOPBACK)
    )
    etcd.start()
    made = Secured(etcd, tmp_path, Authority())
    made.start(
        "coordinator",
        "shoal_coordinator.main",
        *("--partitions", "8", "--replicas", "1", "--min-in-sync", "2", "--bootstrap-nodes", "3"),
        *("--lease-ttl", "2"),
    )
    for name in NODES:
        made.start_node(name)
    yield made
    made.stop()
    etcd.kill()


def is_confirmed(client: shoal.Client, value: bytes) -> bool:
    """Whether every key can be written so that another node confirms it."""
    try:
        for key in KEYS:
            client.set(key, value, ack="in_sync", timeout="1s")
    except shoal.ShoalError:
        return False
    return True


def answer(port: int, credentials: grpc.ChannelCredentials | None, key: str) -> bytes | None:
    """What one node answers to whoever shows this; None: it lets nobody in."""
    address = f"127.0.0.1:{port}"
    made = (
        grpc.insecure_channel(address)
        if credentials is None
        else grpc.secure_channel(address, credentials)
    )
    with made as channel:
        try:
            request = cache_pb2.GetRequest(key=key.encode())
            return cache_pb2_grpc.CacheStub(channel).Get(request, timeout=5).value
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return None


def credentials(own: WrittenTls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        own.authority.read_bytes(), own.key.read_bytes(), own.certificate.read_bytes()
    )


class Load:
    """Writes and reads on a thread of its own until it is ended."""

    def __init__(self, client: shoal.Client) -> None:
        self._client = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[shoal.ShoalError] = []
        self.rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._client.set(KEYS[self.rounds % len(KEYS)], b"v", ack="in_sync")
                self._client.get_many(KEYS)
            except shoal.ShoalError as error:
                self.errors.append(error)
            self.rounds += 1


def test_all_are_verified_and_all_certificates_are_replaced_under_load(
    secured: Secured, tmp_path: Path, eventually
) -> None:
    app = secured.authority.write(tmp_path, "app", "app.example")
    with secured.client(app) as client:
        eventually(lambda: is_confirmed(client, b"v"), what="copies confirm", within_seconds=60)
        turned_away(secured, app, tmp_path)
        with Load(client) as load:
            other = replaced(secured, app, eventually)
            seen = load.rounds
            eventually(lambda: load.rounds > seen + 5, what="the load goes on")
        assert load.errors == []

    # Whoever connects anew does it with the new ones, nodes among themselves too.
    stranger = secured.authority.write(tmp_path, "old", "app.example")
    write_at_once(stranger.authority, other.certificate)
    eventually(
        lambda: answer(secured.ports["b"], credentials(stranger), KEYS[0]) is None,
        what="the first authority is trusted no longer",
    )
    secured.running["b"].send_signal(signal.SIGKILL)
    secured.running["b"].wait()
    secured.start_node("b")
    with secured.client(app) as client:
        eventually(lambda: is_confirmed(client, b"w"), what="copies confirm again")
        assert set(client.get_many(KEYS).values()) == {b"w"}
    for name in secured.running:
        assert "PRIVATE KEY" not in secured.log(name)


def turned_away(secured: Secured, app: WrittenTls, folder: Path) -> None:
    """Each node answers for every key, and to those alone that it can verify."""
    stranger = Authority().write(folder, "stranger", "app.example")
    write_at_once(stranger.authority, app.authority.read_bytes())
    nobody = grpc.ssl_channel_credentials(app.authority.read_bytes())
    for name in NODES:
        port = secured.ports[name]
        for key in KEYS:
            assert answer(port, credentials(app), key) == b"v"
        before = secured.handshakes_failed(name, app)
        for shown in (None, nobody, credentials(stranger)):
            assert answer(port, shown, KEYS[0]) is None
        assert secured.handshakes_failed(name, app) >= before + 3


def replaced(secured: Secured, app: WrittenTls, eventually: Callable[..., object]) -> Authority:
    """Another authority takes over: it is trusted as well, it signs, it alone is trusted."""
    other = Authority()
    all_of_them = [*secured.written.values(), app]
    taken = 0

    def until_all_have_taken_it() -> None:
        nonlocal taken
        taken += 1
        for name in secured.running:
            eventually(
                lambda name=name: secured.log(name).count(TAKEN) >= taken,
                what=f"{name} has taken the files",
            )

    for written in all_of_them:
        write_at_once(written.authority, secured.authority.certificate + other.certificate)
    until_all_have_taken_it()
    serials = {}
    for name, written in secured.written.items():
        fresh = other.issue(*LOOPBACK)
        written.replace(fresh)
        serials[name] = fresh.serial
    app.replace(other.issue("app.example"))
    for name, serial in serials.items():
        port, written = secured.ports[name], secured.written[name]
        eventually(
            lambda port=port, written=written, serial=serial: (
                serial_served("127.0.0.1", port, written) == serial
            ),
            what=f"{name} shows another certificate",
        )
    for written in all_of_them:
        write_at_once(written.authority, other.certificate)
    return other
