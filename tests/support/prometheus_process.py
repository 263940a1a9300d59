"""A real Prometheus that scrapes a cluster and evaluates the rules, where one is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcd_process import free_port

BINARY = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
_ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series at this moment. An expression that is none fails."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        groups = self._get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def is_ready(self) -> bool:
        try:
            self._get("query", query="1")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _get(self, what: str, **arguments: str) -> Any:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(metrics_urls: Iterable[str], rules: Path, folder: Path) -> Iterator[Prometheus]:
    """Scrapes each of these every second, until the block is left."""
    assert BINARY is not None
    targets = [urllib.parse.urlsplit(url).netloc for url in metrics_urls]
    # YAML is a superset of JSON.
    configuration = folder / "prometheus.yaml"
    configuration.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": [{"job_name": "shoal", "static_configs": [{"targets": targets}]}],
            }
        )
    )
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                BINARY,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait()
