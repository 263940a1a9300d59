"""The client of one process: it survives neither a fork nor a spawn."""

from __future__ import annotations

import shoal
from shoal.demo.failures import ClusterFailed


def connect(url: str) -> shoal.Client:
    """Raises ``ClusterFailed`` when no node of ``url`` answers."""
    try:
        client = shoal.Client.from_url(url)
        client.get("flash-sale:probe")
    except (shoal.ShoalError, ValueError) as error:
        raise ClusterFailed(f"The cluster at {url} does not answer: {error}") from error
    return client
