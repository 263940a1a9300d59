"""The cache on a Shoal cluster: the sync client behind the demo's port."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

import shoal
from shoal.demo.failures import CacheFailed, ClusterFailed
from shoal.demo.flash_sale.cache import MISSING, Missing


class ShoalCache:
    """One per process: a client does not survive a fork or a spawn."""

    def __init__(self, client: shoal.Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, url: str) -> Self:
        """Raises ``ClusterFailed`` when no node of ``url`` answers."""
        try:
            client = shoal.Client.from_url(url)
            client.get("flash-sale:probe")
        except (shoal.ShoalError, ValueError) as error:
            raise ClusterFailed(f"The cluster at {url} does not answer: {error}") from error
        return cls(client)

    def get(self, key: str) -> bytes | Missing:
        try:
            value = self._client.get(key)
        except shoal.ShoalError as error:
            raise CacheFailed(str(error)) from error
        return value if isinstance(value, bytes) else MISSING

    def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        try:
            self._client.set(key, value, ttl=timedelta(milliseconds=ttl_ms))
        except shoal.ShoalError as error:
            raise CacheFailed(str(error)) from error

    def delete(self, key: str) -> None:
        try:
            self._client.delete(key)
        except shoal.ShoalError as error:
            raise CacheFailed(str(error)) from error

    def close(self) -> None:
        self._client.close()
