"""Free ports are free, and drawn where no outgoing connection takes them."""

from __future__ import annotations

import itertools
import random
import socket

import pytest

from shoal.cli.up.failures import NoFreePort
from shoal.cli.up.ports import FIRST_PORT, HOST, LAST_PORT, free_ports, is_free


def test_each_is_drawn_once_and_within_the_range() -> None:
    ports = list(itertools.islice(free_ports(random.Random(1)), 50))
    assert len(set(ports)) == 50
    assert all(FIRST_PORT <= port <= LAST_PORT for port in ports)


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_it_gives_up_with_a_sentence() -> None:
    ports = free_ports(random.Random(1), attempts_max=3)
    with pytest.raises(NoFreePort, match="no free port"):
        list(itertools.islice(ports, 4))
