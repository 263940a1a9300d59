"""What to paste to talk to the cluster: a shell's lines, grpcurl's, and Python's."""

from __future__ import annotations

import base64
import json
import shlex

from shoal.cli.up.certificates import Certificates
from shoal.cli.up.plan import ClusterPlan

KEY = "product:42"
VALUE = "a blue teapot"
TTL_MS = 600_000


def grpcurl_line(address: str, certificates: Certificates | None = None) -> str:
    """Set, then Get. grpcurl's JSON spells bytes in base64."""
    how = "-plaintext"
    if certificates is not None:
        how = f"-cacert {shlex.quote(str(certificates.authority))}"
    key, value = (base64.b64encode(text.encode()).decode() for text in (KEY, VALUE))
    requests = (
        ("Set", {"key": key, "value": value, "ttlMs": TTL_MS}),
        ("Get", {"key": key}),
    )
    return " && ".join(
        f"grpcurl {how} -d {shlex.quote(json.dumps(body, separators=(',', ':')))} "
        f"{address} shoal.v1.Cache/{method}"
        for method, body in requests
    )


def python_snippet(url: str) -> str:
    """Works at the prompt as well as in a file: no block to end."""
    return "\n".join(
        (
            "import shoal",
            f'cache = shoal.Client.from_url("{url}")',
            f'cache.set("{KEY}", b"{VALUE}", ttl="10m")',
            f'print(cache.get("{KEY}"))',
            "cache.close()",
        )
    )


def _exported(certificates: Certificates | None) -> tuple[str, ...]:
    if certificates is None:
        return ()
    return (f"export SHOAL_TLS_CA={shlex.quote(str(certificates.authority))}",)


def hints(plan: ClusterPlan, shoal_command: str, python: str) -> str:
    """All of it. ``shoal_command`` stands as the caller's shell takes it, ``python`` is a path."""
    return "\n".join(
        (
            "From another terminal:",
            f"export SHOAL_URL={shlex.quote(plan.url)}",
            f"export SHOAL_COORDINATOR={plan.coordinators[0].address}",
            *_exported(plan.certificates),
            f"{shoal_command} set {KEY} {shlex.quote(VALUE)} --ttl 10m",
            f"{shoal_command} get {KEY}",
            f"{shoal_command} top",
            "",
            "With grpcurl (bytes are base64):",
            grpcurl_line(plan.nodes[0].address, plan.certificates),
            "",
            f"In {shlex.quote(python)}:",
            python_snippet(plan.url),
        )
    )
