"""Who a node is: a stable id, and an incarnation that is new at every start.

An incarnation begins with the mark of its listener: a hash of the machine's boot,
the network namespace and the address as bound. Whoever has bound that very
listener can be sure that an earlier incarnation with the same mark is dead, or has
given its port up, which it does only after it has fenced itself. The rest is
random.
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from pathlib import Path

from shoal_coordinator.registry.records import Incarnation, NodeId

_MARK_BYTES = 8
_RANDOM_BYTES = 8
_ID_LENGTH_MAX = 63
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NETWORK_NAMESPACE = Path("/proc/self/ns/net")


def default_id(hostname: str, port: int) -> NodeId:
    """A name that stays the same as long as host and port do.

    Port 0, a free one, is another at every start and makes no stable name: then the
    name is new every time.
    """
    suffix = f"-{port or secrets.token_hex(_RANDOM_BYTES // 2)}"
    host = re.sub(r"[^A-Za-z0-9._-]", "-", hostname).lstrip("._-") or "node"
    return NodeId(host[: _ID_LENGTH_MAX - len(suffix)] + suffix)


def listener_mark(bound: str) -> str:
    """Names the listener at ``bound`` (HOST:PORT) among those of all machines."""
    machine = f"{_boot_id()}/{_NETWORK_NAMESPACE.readlink()}/{bound}"
    return blake2b(machine.encode(), digest_size=_MARK_BYTES).hexdigest()


def new_incarnation(mark: str) -> Incarnation:
    return Incarnation(f"{mark}-{secrets.token_hex(_RANDOM_BYTES)}")


def same_listener(one: Incarnation, other: Incarnation) -> bool:
    """Whether two incarnations had the same listener, so that one of them has given it up."""
    mark, dash, _ = one.partition("-")
    return bool(dash) and other.startswith(f"{mark}-")


def _boot_id() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()
