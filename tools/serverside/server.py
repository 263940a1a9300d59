"""A kube-apiserver over a real etcd, for the time of a test. No kubelet, no controllers: what it
takes is stored, and nothing runs.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.processes import free_ports, running, running_etcd
from tools.setup.console import MissingTool
from tools.setup.go_tools import kube_apiserver

_START_SECONDS = 120.0
_CALL_SECONDS = 60.0


class Refused(Exception):
    """The server did not take it; the text is the server's."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """``warnings`` are those that the server sent along, in the order of the calls."""

    url: str
    token: str
    authority: ssl.SSLContext
    warnings: list[str]

    def call(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """Raises ``Refused``, and OSError where nobody answers."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": kind},
            method=method,
        )
        try:
            with urllib.request.urlopen(
                request, timeout=_CALL_SECONDS, context=self.authority
            ) as answer:
                self.warnings.extend(answer.headers.get_all("Warning") or [])
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, KeyError):
                text = json.loads(text)["message"]
            raise Refused(text) from error

    def version(self) -> str:
        return str(self.call("GET", "/version")["gitVersion"])


@contextlib.contextmanager
def serving() -> Iterator[ApiServer]:
    """Raises ``MissingTool``."""
    if shutil.which("openssl") is None:
        raise MissingTool("openssl is missing, which makes a key: apt-get install openssl")
    program = kube_apiserver()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoal-apiserver-")))
        (at,) = free_ports(1)
        etcd = stack.enter_context(running_etcd(folder))
        token, key = secrets.token_hex(16), folder / "accounts.key"
        (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
        subprocess.run(
            ["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True
        )
        process = stack.enter_context(
            running(
                [
                    *(str(program), f"--etcd-servers={etcd}", f"--secure-port={at}"),
                    *("--bind-address=127.0.0.1", f"--cert-dir={folder}"),
                    *(f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"),
                    *(
                        f"--service-account-key-file={key}",
                        f"--service-account-signing-key-file={key}",
                    ),
                    *(
                        "--service-account-issuer=https://127.0.0.1",
                        "--service-cluster-ip-range=10.96.0.0/16",
                    ),
                    # No controller makes the accounts that this would ask for.
                    "--disable-admission-plugins=ServiceAccount",
                ],
                folder / "apiserver.log",
            )
        )
        yield _ready(process, folder, f"https://127.0.0.1:{at}", token)


def _ready(process: subprocess.Popen[bytes], folder: Path, url: str, token: str) -> ApiServer:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        # Its own certificate, which it makes for the address that it binds.
        with contextlib.suppress(OSError, Refused, ValueError):
            authority = ssl.create_default_context(cafile=str(folder / "apiserver.crt"))
            server = ApiServer(url, token, authority, [])
            server.call("GET", "/api/v1/namespaces/default")
            return server
        if process.poll() is not None or time.monotonic() > deadline:
            log = (folder / "apiserver.log").read_text(errors="replace")
            raise MissingTool(f"kube-apiserver did not come up: {log[-3000:]}")
        time.sleep(0.2)
