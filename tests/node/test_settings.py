"""What the command line means, and what it refuses, in sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.tls import EtcdTlsFiles, TlsFiles
from shoal_coordinator.process.tls_settings import TlsSettings
from shoal_node.policy import Policy
from shoal_node.settings import NodeSettings, parse_maxmemory, parse_size
from shoal_node.timing import timing_for

GOOD = NodeSettings(
    etcd="http://127.0.0.1:2379",
    listen=HostPort("127.0.0.1", 7400),
    advertise=None,
    metrics_listen=HostPort("127.0.0.1", 0),
    cluster="default",
    id=None,
    zone="",
    weight=100,
    maxmemory_bytes=1 << 30,
    threads=2,
    is_insecure=False,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1GiB", 1 << 30),
        ("512MiB", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("64mib", 64 << 20),
        ("1GB", 10**9),
        ("1048576", 1 << 20),
        ("7b", 7),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "1 gigabyte", "1GiB2", "0x10", "1e9"])
def test_what_is_not_a_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadSettings, match=r"is not a size: .*such as 512MiB"):
        parse_size(text)


@given(st.integers(0, 1 << 50))
def test_a_number_of_bytes_is_itself(size_bytes: int) -> None:
    assert parse_size(str(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("80%", 800), ("12.5 %", 125), (" 100% ", 1000), ("1KiB", 1024)]
)
def test_maxmemory_is_a_size_or_a_part_of_what_there_is(text: str, size_bytes: int) -> None:
    assert parse_maxmemory(text, 1000) == size_bytes


def test_a_part_of_what_is_not_known_is_refused() -> None:
    with pytest.raises(BadSettings, match="cannot be read here, so take a size"):
        parse_maxmemory("80%", None)
    assert parse_maxmemory("512MiB", None) == 512 << 20


def test_a_part_that_does_not_fit_is_refused() -> None:
    limit_bytes = 1 << 30
    for part, fits in (("90%", True), ("91%", False)):
        change = {
            "maxmemory_bytes": parse_maxmemory(part, limit_bytes),
            "memory_limit_bytes": limit_bytes,
        }
        if fits:
            assert replace(GOOD, **change)
        else:
            with pytest.raises(BadSettings, match="does not fit"):
                replace(GOOD, **change)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "cache-1.example"])
def test_listening_beyond_loopback_is_refused_unless_insecure(host: str) -> None:
    for flag in ("listen", "metrics_listen"):
        with pytest.raises(BadSettings, match="or say --insecure"):
            replace(GOOD, **{flag: HostPort(host, 7400)})
        assert replace(GOOD, is_insecure=True, **{flag: HostPort(host, 7400)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"etcd": "127.0.0.1:2379"}, "is not an etcd URL"),
        ({"etcd": ""}, "no etcd URL is given"),
        ({"cluster": "a/b"}, "cluster name 'a/b' is not usable"),
        ({"id": "-x"}, "node id '-x' is not usable"),
        ({"weight": -1}, "--weight -1 is not usable"),
        ({"slow_request_ms": 3_600_001}, "--slow-request 3600001 is not usable"),
        ({"partition_metrics_max": -1}, "--partition-metrics -1 is not usable"),
        ({"near_grant_ms": 60_001}, "--near-grant-ms 60001 is not usable"),
        ({"stop_seconds": -1.0}, "--stop-within -1 is not usable"),
        ({"stop_seconds": float("nan")}, "--stop-within nan is not usable"),
        ({"threads": 0}, "--threads 0 is not usable"),
        ({"maxmemory_bytes": 1 << 20}, "take at least 128MiB"),
        ({"memory_limit_bytes": 1 << 30}, "container has.* take at most 930MiB, or raise"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadSettings, match=sentence):
        replace(GOOD, **change)


def test_a_node_with_tls_knows_who_signs_the_others() -> None:
    files = TlsFiles(Path("node.pem"), Path("node.key"))
    with pytest.raises(BadSettings, match="--tls-cert needs --tls-ca FILE"):
        replace(GOOD, tls=TlsSettings(files))
    assert replace(GOOD, tls=TlsSettings(replace(files, authority=Path("ca.pem"))))
    with pytest.raises(BadSettings, match="--etcd names no https://"):
        replace(GOOD, tls=TlsSettings(etcd=EtcdTlsFiles(Path("ca.pem"))))


def test_a_node_that_asks_others_who_they_are_says_who_it_is() -> None:
    with pytest.raises(BadSettings, match=r"--access needs --peer-token-file FILE, or --tls-cert"):
        replace(GOOD, access=Path("access.toml"))
    replace(GOOD, access=Path("access.toml"), peer_token=Path("token"))
    tls = TlsSettings(TlsFiles(Path("c"), Path("k"), Path("a")))
    replace(GOOD, access=Path("access.toml"), tls=tls)


def test_maxmemory_and_a_tenth_fit_the_machine() -> None:
    limit_bytes = GOOD.maxmemory_bytes * 12 // 10
    assert replace(GOOD, memory_limit_bytes=limit_bytes).memory_limit_bytes == limit_bytes


def test_weight_0_is_a_proxy() -> None:
    assert replace(GOOD, weight=0).weight == 0


@pytest.mark.parametrize("ttl_seconds", [1, 2, 3, 10, 60])
def test_a_lease_can_lose_a_keepalive_and_a_probe(ttl_seconds: int) -> None:
    timing = timing_for(ttl_seconds)
    assert timing.upkeep.margin_seconds >= 0.1
    assert timing.upkeep.margin_seconds == pytest.approx(max(0.1, ttl_seconds / 10))
    interval = ttl_seconds / 3
    assert interval + timing.probe_timeout_seconds < ttl_seconds - timing.upkeep.margin_seconds
    assert timing.policy.mass_loss_hold_ms == 2_000 * ttl_seconds


def test_impatient_policies_are_refused() -> None:
    with pytest.raises(BadSettings, match="at least 1 ms"):
        Policy(follow_delay_ms=0)
    with pytest.raises(BadSettings, match="mass_loss_hold_ms must not be shorter"):
        Policy(mass_loss_hold_ms=100)
    with pytest.raises(BadSettings, match="at least one"):
        Policy(take_overs_at_once=0)
