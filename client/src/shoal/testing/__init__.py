"""A Shoal cluster in memory, for tests of applications.

    >>> from shoal.testing import Cluster
    >>> cluster = Cluster()
    >>> with cluster.client() as client:
    ...     client.set("product:42", b"a kettle", ttl="10m")
    ...     cluster.advance("11m")
    ...     client.get("product:42")
    MISSING

Its clients are ``shoal.Client`` and ``shoal.asyncio.Client`` themselves, with the same
checks, errors, sessions and caches; only what would travel is answered here. The same
conformance suite runs against it and against a real cluster. Needs no server, no port, no
thread.
"""

from __future__ import annotations

from shoal.testing.cluster import Cluster

__all__ = ["Cluster"]
