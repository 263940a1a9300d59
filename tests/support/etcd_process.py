"""Real etcds on loopback, to be killed, frozen and started again."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from certificates import WrittenTls
from frozen import freeze


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class EtcdProcess:
    """Fast rather than durable: nothing is synced to disk, elections are quick."""

    def __init__(
        self, binary: Path, data: Path, name: str = "default", tls: WrittenTls | None = None
    ) -> None:
        """``tls``: what clients are shown, and who signs what they have to show."""
        self.binary = binary
        self.tls = tls
        self.name = name
        self._data = data
        self.port = free_port()
        self.peer_url = f"http://127.0.0.1:{free_port()}"
        self.members: tuple[EtcdProcess, ...] = (self,)
        """All members of its cluster; set before the first start."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_until_it_answers()

    def launch(self) -> None:
        """Start it; the first members of a cluster answer only once there are enough."""
        self._data.mkdir(parents=True, exist_ok=True)
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self.binary),
                    f"--name={self.name}",
                    f"--data-dir={self._data / 'data'}",
                    f"--listen-client-urls={self.url}",
                    f"--advertise-client-urls={self.url}",
                    f"--listen-peer-urls={self.peer_url}",
                    f"--initial-advertise-peer-urls={self.peer_url}",
                    "--initial-cluster="
                    + ",".join(f"{member.name}={member.peer_url}" for member in self.members),
                    "--heartbeat-interval=20",
                    "--election-timeout=200",
                    "--unsafe-no-fsync",
                    "--log-level=error",
                    *self._tls_flags(),
                ],
                stdout=log,
                stderr=log,
            )

    def _tls_flags(self) -> list[str]:
        if self.tls is None:
            return []
        return [
            f"--cert-file={self.tls.certificate}",
            f"--key-file={self.tls.key}",
            f"--trusted-ca-file={self.tls.authority}",
            "--client-cert-auth",
        ]

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        freeze(self._process.pid)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def compact(self, revision: int) -> None:
        self._ask("/v3/kv/compaction", {"revision": revision, "physical": True})

    def wait_until_it_answers(self, within_seconds: float = 20.0) -> None:
        deadline = time.monotonic() + within_seconds
        while not self._answers():
            assert time.monotonic() < deadline, f"etcd did not start; see {self._data}/log"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self._ask("/v3/kv/range", {"key": "YQ=="})
        except (OSError, urllib.error.URLError):
            return False
        return True

    def _ask(self, path: str, body: dict[str, object]) -> None:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        context = None
        if self.tls is not None:
            context = ssl.create_default_context(cafile=self.tls.authority)
            context.load_cert_chain(self.tls.certificate, self.tls.key)
        with urllib.request.urlopen(request, timeout=5.0, context=context) as response:
            response.read()


def three_members(binary: Path, data: Path) -> tuple[EtcdProcess, ...]:
    """A cluster of three, started."""
    names = ("one", "two", "three")
    members = tuple(EtcdProcess(binary, data / name, name) for name in names)
    for member in members:
        member.members = members
    for member in members:
        member.launch()
    for member in members:
        member.wait_until_it_answers()
    return members
