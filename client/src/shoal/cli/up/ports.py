"""Free loopback ports for the processes of a cluster.

Drawn outside the range from which the kernel gives outgoing connections their
ports, so that no connection takes one between the test and its use. Another
process still may: whoever starts a process draws again when it could not bind.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import closing

from shoal.cli.up.failures import NoFreePort

HOST = "127.0.0.1"
FIRST_PORT = 20_000
LAST_PORT = 31_999


def is_free(port: int) -> bool:
    """Whether a listener could bind this port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As the programs do: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(rng: random.Random, attempts_max: int = 2_000) -> Iterator[int]:
    """Yield free ports, each once. Raises NoFreePort after so many that were taken."""
    drawn: set[int] = set()
    for _ in range(attempts_max):
        port = rng.randint(FIRST_PORT, LAST_PORT)
        if port not in drawn and is_free(port):
            yield port
        drawn.add(port)
    raise NoFreePort(
        f"no free port between {FIRST_PORT} and {LAST_PORT} on {HOST}; "
        "stop what listens there and try again"
    )
