"""A real cluster with an access file: what it answers to whom, a change of it while all run,
and that nothing secret is in any log."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import grpc
import pytest

import shoal
import shoal.asyncio
from certificates import write_at_once
from etcd_process import EtcdProcess, free_port
from shoal.v1 import admin_pb2, admin_pb2_grpc, cache_pb2, cache_pb2_grpc
from shoal_coordinator.access.bearer import metadata_of

pytestmark = [pytest.mark.etcd, pytest.mark.cluster]

NODES = ("a", "b")
KEYS = [f"shop:{number}" for number in range(16)]
VALUE = b"a planted value"
TOKENS = {name: f"a-planted-token-of-{name}-that-is-long" for name in ("node", "app", "operator")}
ROLES = """
[[role]]
name = "node"
operations = ["peer"]

[[role]]
name = "operator"
operations = ["admin", "inspect"]
"""
SHOP = """
[[role]]
name = "app"
operations = [{operations}, "watch"]
prefixes = ["shop:"]
"""


def access(operations: str) -> bytes:
    who = "".join(
        f'[[token]]\nname = "{name}"\nroles = ["{name}"]\n'
        f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
        for name, token in TOKENS.items()
    )
    return (ROLES + SHOP.format(operations=operations) + who).encode()


@dataclass
class Guarded:
    """Two nodes and a coordinator on loopback, which know each other and others by tokens."""

    etcd: EtcdProcess
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "access.toml"

    def start(self, name: str, *command: str) -> None:
        self.ports[name] = free_port()
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", *command, "--etcd", self.etcd.url, "--id", name),
                        *("--listen", f"127.0.0.1:{self.ports[name]}", "--access", self.file),
                        *("--metrics-listen", f"127.0.0.1:{self.metrics_port(name)}"),
                    ],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "GRPC_VERBOSITY": "debug"},
                )
            )

    def metrics_port(self, name: str) -> int:
        return self.ports.setdefault(f"{name}'s metrics", free_port())

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.log"))

    def seeds(self) -> list[str]:
        return [f"127.0.0.1:{self.ports[name]}" for name in NODES]

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def guarded(etcd_binary: Path, tmp_path: Path) -> Iterator[Guarded]:
    etcd = EtcdProcess(etcd_binary, tmp_path / "etcd")
    etcd.start()
    made = Guarded(etcd, tmp_path)
    made.file.write_bytes(access('"read", "write"'))
    made.start(
        "coordinator",
        "shoal_coordinator.main",
        *("--partitions", "8", "--replicas", "1", "--min-in-sync", "2", "--bootstrap-nodes", "2"),
    )
    for name in ("node", "app"):
        (tmp_path / name).write_text(TOKENS[name])
    for name in NODES:
        made.start(
            name,
            *("shoal_node.main", "--maxmemory", "128MiB", "--threads", "1"),
            *("--peer-token-file", str(tmp_path / "node")),
        )
    yield made
    made.stop()
    etcd.kill()


def is_confirmed(client: shoal.Client) -> bool:
    """Whether every key can be written so that the other node confirms it."""
    try:
        for key in KEYS:
            client.set(key, VALUE, ack="in_sync", timeout="1s")
    except (shoal.Unavailable, shoal.DeadlineExceeded, shoal.OutcomeUnknown):
        return False
    return True


def test_tokens_say_who_may_do_what_while_the_file_changes(
    guarded: Guarded, tmp_path: Path, eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with shoal.Client(guarded.seeds(), token=TOKENS["app"], timeout="10s") as client:
        eventually(lambda: is_confirmed(client), what="copies confirm", within_seconds=60)
        with pytest.raises(shoal.PermissionDenied):
            client.get("other:1")
        with pytest.raises(shoal.PermissionDenied):
            client.invalidate_tag("shop:tag")
        every_node_answers_for_all(guarded)
        others_are_turned_away(guarded)
        asyncio.run(by_its_file(guarded, tmp_path / "app"))

        write_at_once(guarded.file, access('"read"'))
        eventually(lambda: is_refused(client), what="the right to write is gone")
        assert client.get(KEYS[0]) == VALUE
        write_at_once(guarded.file, access('"reed"'))
        eventually(
            lambda: guarded.logs().count("'reed' in operations of [[role]] 'app'") == 3,
            what="all three say what is wrong with the file",
        )
        assert client.get(KEYS[0]) == VALUE
        assert is_refused(client)
        write_at_once(guarded.file, access('"read", "write"'))
        eventually(lambda: not is_refused(client), what="the right to write is back")
    told = guarded.logs() + caplog.text
    for secret in (*TOKENS.values(), *KEYS, VALUE.decode()):
        assert secret not in told


def is_refused(client: shoal.Client) -> bool:
    try:
        client.set(KEYS[1], VALUE)
    except shoal.PermissionDenied:
        return True
    return False


def every_node_answers_for_all(guarded: Guarded) -> None:
    """What another owns is asked for under the node's own token."""
    for seed in guarded.seeds():
        with grpc.insecure_channel(seed) as channel:
            stub, metadata = cache_pb2_grpc.CacheStub(channel), metadata_of(TOKENS["app"])
            for key in KEYS:
                answer = stub.Get(
                    cache_pb2.GetRequest(key=key.encode()), timeout=5, metadata=metadata
                )
                assert answer.value == VALUE


def others_are_turned_away(guarded: Guarded) -> None:
    for told in ({}, {"token": "another-token-than-any-that-is-known"}):
        with shoal.Client(guarded.seeds(), **told) as client, pytest.raises(shoal.Unauthenticated):
            client.get(KEYS[0])
    with grpc.insecure_channel(f"127.0.0.1:{guarded.ports['coordinator']}") as channel:
        stub = admin_pb2_grpc.AdminStub(channel)

        def status(who: str | None) -> admin_pb2.GetClusterStatusResponse:
            metadata = metadata_of(None if who is None else TOKENS[who])
            return stub.GetClusterStatus(
                admin_pb2.GetClusterStatusRequest(), timeout=5, metadata=metadata
            )

        assert len(status("operator").nodes) == len(NODES)
        for who, code in ((None, "UNAUTHENTICATED"), ("app", "PERMISSION_DENIED")):
            with pytest.raises(grpc.RpcError) as refused:
                status(who)
            assert refused.value.code().name == code
    assert inspected(guarded, "operator") == HTTPStatus.OK
    assert inspected(guarded, "app") == HTTPStatus.FORBIDDEN
    assert inspected(guarded, None) == HTTPStatus.FORBIDDEN


def inspected(guarded: Guarded, who: str | None) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{guarded.metrics_port('a')}/introspection",
        headers=dict(metadata_of(None if who is None else TOKENS[who])),
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


async def by_its_file(guarded: Guarded, file: Path) -> None:
    url = f"shoal://{','.join(guarded.seeds())}?token_file={file}"
    async with shoal.asyncio.Client.from_url(url) as client:
        assert await client.get_many(KEYS) == dict.fromkeys(KEYS, VALUE)
        with pytest.raises(shoal.PermissionDenied):
            await client.set("other:1", b"v")
