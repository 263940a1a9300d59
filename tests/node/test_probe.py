"""The probe of the data path, against listeners that are well, wedged, and gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from certificates import Authority, write_at_once
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.reloaded import Reloaded
from shoal_coordinator.process.tls import TlsClients, TlsFiles
from shoal_node.probe import DataPathProbe, probe_target


@pytest.fixture
def servicer() -> health.HealthServicer:
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    return servicer


@pytest.fixture
def address(servicer: health.HealthServicer) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_a_listener_that_serves_is_well(address: str) -> None:
    probe = DataPathProbe(address, timeout_seconds=5)
    assert probe.is_well()
    probe.close()


def test_one_that_says_it_does_not_serve_is_not(
    address: str, servicer: health.HealthServicer
) -> None:
    probe = DataPathProbe(address, timeout_seconds=5)
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert not probe.is_well()
    assert not probe.says(is_ready=False)
    probe.close()


def test_whether_the_cache_can_be_used_is_asked_for_by_its_name(
    address: str, servicer: health.HealthServicer
) -> None:
    probe = DataPathProbe(address, timeout_seconds=5)
    assert probe.says(is_ready=False)
    assert not probe.says(is_ready=True)
    servicer.set("shoal.v1.Cache", health_pb2.HealthCheckResponse.SERVING)
    assert probe.says(is_ready=True)
    probe.close()
    assert not probe.says(is_ready=True)


def test_one_that_is_stuck_is_not_well_and_the_probe_does_not_hang() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stuck:
        probe = DataPathProbe(f"127.0.0.1:{stuck.getsockname()[1]}", timeout_seconds=0.2)
        assert not probe.is_well()
        probe.close()


def test_one_that_is_gone_is_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    probe = DataPathProbe(address, timeout_seconds=0.2)
    assert not probe.is_well()
    probe.close()


def test_over_tls_it_shows_and_trusts_the_nodes_own_certificate_and_others_once_they_are_there(
    tmp_path: Path, servicer: health.HealthServicer
) -> None:
    # Reached by its address, for which the certificate is not.
    own = Authority().write(tmp_path, "own", "node-1.shoal")
    kept = Reloaded("certificates", TlsFiles(own.certificate, own.key, own.authority).read)
    tls = LiveTls(lambda: kept.content, TlsClients.CERTIFICATE)

    def served(address: str) -> tuple[grpc.Server, str]:
        server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_secure_port(address, tls.server_credentials())
        server.start()
        return server, f"127.0.0.1:{port}"

    server, address = served("127.0.0.1:0")
    probe = DataPathProbe(address, 1, tls)
    assert probe.is_well()
    other = Authority()
    own.replace(other.issue("node-1.shoal"))
    write_at_once(own.authority, other.certificate)
    assert kept.check()
    assert probe.is_well()
    server.stop(0).wait()
    server, _ = served(address)
    assert not probe.is_well()
    assert probe.is_well()
    probe.close()
    server.stop(0).wait()


@pytest.mark.parametrize(
    ("bound", "target"),
    [
        ("127.0.0.1:7400", "127.0.0.1:7400"),
        ("0.0.0.0:7400", "127.0.0.1:7400"),
        ("[::]:7400", "[::1]:7400"),
        ("[::1]:7400", "[::1]:7400"),
    ],
)
def test_the_target_is_reachable_from_here(bound: str, target: str) -> None:
    assert probe_target(bound) == target
