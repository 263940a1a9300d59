"""What the nodes of a cluster know of their own work, for the commands that show it.

A coordinator tells which nodes there are; each node is then asked for its
``/introspection``, which it answers on its own machine alone.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered
from shoal.cli.failure import CommandFailed
from shoal.cli.trust import http_context, token_metadata

if TYPE_CHECKING:
    import ssl

    from rich.table import Table

Introspection = Mapping[str, Any]


def introspections(coordinator: str) -> dict[str, Introspection]:
    """By node, in the order of their ids. Raises CommandFailed where one does not tell."""
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
    context, shown = http_context(), dict(token_metadata())
    return {
        node.registration.id: _asked(
            node.registration.id, node.registration.metrics_url, context, shown
        )
        for node in status.nodes
        if node.HasField("registration")
    }


def _asked(
    node: str, metrics_url: str, context: ssl.SSLContext | None, shown: dict[str, str]
) -> Introspection:
    url = metrics_url.removesuffix("/metrics") + "/introspection"
    try:
        request = urllib.request.Request(url, headers=shown)  # noqa: S310  a node's own
        with urllib.request.urlopen(  # noqa: S310  likewise
            request, timeout=TIMEOUT_SECONDS, context=context
        ) as answer:
            told: Introspection = json.load(answer)
            return told
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise CommandFailed(
            f"node {node} does not tell of itself at {url}: {error}\n"
            "It does so on its own machine alone: run this command there; where there is an access "
            "file, with the --token-file of somebody who may inspect."
        ) from error


def key_text(told: Mapping[str, Any]) -> str:
    """A key as it stands in the JSON: text, or base64 marked as such."""
    if "key" in told:
        return str(told["key"])
    return f"base64:{told['key_base64']}"


def duration_text(duration_ns: int) -> str:
    """Three figures and a unit that fits."""
    amount = float(duration_ns)
    for unit in ("ns", "us", "ms"):
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} s"


def rows_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int) -> Table:
    """The first ``texts`` columns are text, the others numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column, heading in enumerate(headings):
        table.add_column(heading, justify="left" if column < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int) -> None:
    """Print them as ``rows_table`` makes it."""
    from rich.console import Console

    Console(highlight=False).print(rows_table(headings, rows, texts=texts))
