"""Asking every live node for its figures, some at a time, each within a bound."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_coordinator.survey.figures import NodeFigures, Survey, figures_of

_TIMEOUT_SECONDS = 2.0
_AT_ONCE_MAX = 16
_APART_SECONDS = 0.02
_SPREAD_SECONDS = 0.25
"""Nodes are asked so much apart, at most over so long: answering takes each a millisecond or two
of a core, which nodes may share with others and in any case with their requests."""
_BYTES_MAX = 16 << 20
_FIGURES = "figures"
"""Beside the metrics, of which its registration tells where they are."""
_SCHEMES = ("http://", "https://")


async def survey(
    view: ClusterView, clock: Callable[[], float], tls: LiveTls | None = None
) -> Survey:
    """Ask all nodes that are registered. Who does not tell is ``silent``."""
    turns = asyncio.Semaphore(_AT_ONCE_MAX)
    context = None if tls is None else tls.client_context()

    async def ask(live: LiveNode, after_seconds: float) -> NodeFigures | None:
        await asyncio.sleep(after_seconds)
        async with turns:
            return await asyncio.to_thread(_asked, live, context)

    nodes = [*view.nodes]
    told = await asyncio.gather(*map(ask, view.nodes.values(), starts_seconds(len(nodes))))
    figures = {node: it for node, it in zip(nodes, told, strict=True) if it is not None}
    return Survey(clock(), figures, frozenset(nodes) - figures.keys())


def starts_seconds(count: int) -> list[float]:
    """When each of so many nodes is asked, from the start of a survey."""
    apart = min(_APART_SECONDS, _SPREAD_SECONDS / max(count, 1))
    return [each * apart for each in range(count)]


def _asked(live: LiveNode, context: ssl.SSLContext | None) -> NodeFigures | None:
    url = live.registration.metrics_url
    if not url.startswith(_SCHEMES):
        return None
    try:
        with urllib.request.urlopen(  # noqa: S310  checked above
            urllib.parse.urljoin(url, _FIGURES), timeout=_TIMEOUT_SECONDS, context=context
        ) as answer:
            return figures_of(answer.read(_BYTES_MAX), live.registration.incarnation)
    except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
        return None
