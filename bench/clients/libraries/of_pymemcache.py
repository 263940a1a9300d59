"""pymemcache: pure Python, blocking alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from pymemcache.client.base import Client

from bench.clients.libraries.library import Library


class _Blocking:
    def __init__(self, client: Any) -> None:
        self.get = client.get
        self.set = client.set
        self._get_many = client.get_many

    def get_many(self, keys: Sequence[str]) -> Sequence[object]:
        found = self._get_many(keys)
        return [found[key] for key in keys]


@contextmanager
def _blocking(address: str) -> Iterator[_Blocking]:
    host, _, port = address.rpartition(":")
    client = Client((host, int(port)), no_delay=True)
    try:
        yield _Blocking(client)
    finally:
        client.close()


LIBRARY = Library(version("pymemcache"), _blocking)
