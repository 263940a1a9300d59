"""``shoal config`` against a coordinator's admin service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from click.testing import CliRunner

from shoal.cli.app import shoal
from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2


class Admin(admin_pb2_grpc.AdminServicer):
    """Changes a configuration of its own, as a coordinator would."""

    def __init__(self) -> None:
        self.config = registry_pb2.ClusterConfig(
            partition_count=8,
            lease_ttl_seconds=3,
            bootstrap_nodes=1,
            cluster_id="x",
            eviction=registry_pb2.EVICTION_POLICY_S3FIFO,
            unclean=registry_pb2.UNCLEAN_POLICY_REFUSE,
        )
        self.refusal: str | None = None

    def UpdateConfig(
        self, request: admin_pb2.UpdateConfigRequest, context: grpc.ServicerContext
    ) -> admin_pb2.UpdateConfigResponse:
        if self.refusal is not None:
            context.abort(grpc.StatusCode.INTERNAL, self.refusal)
        if request.eviction:
            self.config.eviction = request.eviction
        if request.unclean:
            self.config.unclean = request.unclean
        if request.HasField("snapshot_bytes_per_second"):
            self.config.snapshot_bytes_per_second = request.snapshot_bytes_per_second
        return admin_pb2.UpdateConfigResponse(config=self.config)


@pytest.fixture
def served() -> Iterator[tuple[Admin, str]]:
    admin = Admin()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServicer_to_server(admin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield admin, f"127.0.0.1:{port}"
    server.stop(None)


def test_the_policy_is_set_and_shown(served: tuple[Admin, str]) -> None:
    admin, address = served
    changed = CliRunner().invoke(
        shoal, ["config", "set", "eviction", "lru", "--coordinator", address, "-o", "json"]
    )
    assert changed.exit_code == 0, changed.output
    assert json.loads(changed.stdout)["eviction"] == "lru"
    assert admin.config.eviction == registry_pb2.EVICTION_POLICY_LRU
    shown = CliRunner().invoke(shoal, ["config", "get"], env={"SHOAL_COORDINATOR": address})
    assert shown.exit_code == 0, shown.output
    assert ["eviction", "lru"] in map(str.split, shown.stdout.splitlines())
    assert ["replica_count", "0"] in map(str.split, shown.stdout.splitlines())


def test_the_rate_of_snapshots_is_set_and_taken_away(served: tuple[Admin, str]) -> None:
    admin, address = served
    for value, rate in (("64MiB", 64 << 20), ("none", 0)):
        changed = CliRunner().invoke(
            shoal, ["config", "set", "snapshot-rate", value, "-c", address, "-o", "json"]
        )
        assert changed.exit_code == 0, changed.output
        assert json.loads(changed.stdout)["snapshot_bytes_per_second"] == rate
        assert admin.config.snapshot_bytes_per_second == rate
        assert admin.config.eviction == registry_pb2.EVICTION_POLICY_S3FIFO


def test_what_becomes_of_a_partition_without_copies_is_set_and_shown(
    served: tuple[Admin, str],
) -> None:
    admin, address = served
    changed = CliRunner().invoke(shoal, ["config", "set", "unclean", "keep", "-c", address])
    assert changed.exit_code == 0, changed.output
    assert ["unclean", "keep"] in map(str.split, changed.stdout.splitlines())
    assert admin.config.unclean == registry_pb2.UNCLEAN_POLICY_KEEP
    assert admin.config.eviction == registry_pb2.EVICTION_POLICY_S3FIFO


def test_showing_changes_nothing(served: tuple[Admin, str]) -> None:
    admin, address = served
    CliRunner().invoke(shoal, ["config", "get", "-c", address])
    assert admin.config.eviction == registry_pb2.EVICTION_POLICY_S3FIFO
    assert admin.config.unclean == registry_pb2.UNCLEAN_POLICY_REFUSE


def test_a_refusal_is_a_sentence(served: tuple[Admin, str]) -> None:
    admin, address = served
    admin.refusal = "it is not to be"
    answer = CliRunner().invoke(shoal, ["config", "get", "-c", address])
    assert (answer.exit_code, answer.stderr) == (4, "Error: it is not to be\n")


def test_nobody_there_is_a_sentence_and_an_exit_code_of_its_own() -> None:
    answer = CliRunner().invoke(shoal, ["config", "get", "-c", "127.0.0.1:1"])
    assert answer.exit_code == 3
    assert "no coordinator answered at 127.0.0.1:1" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "eviction", "random"],
        ["set", "eviction", "keep"],
        ["set", "unclean", "lru"],
        ["set", "partitions", "8"],
        ["set", "eviction"],
        ["set", "snapshot-rate", "fast"],
        ["set", "snapshot-rate", "0"],
    ],
)
def test_what_cannot_be_set_is_refused_before_anybody_is_asked(arguments: list[str]) -> None:
    answer = CliRunner().invoke(shoal, ["config", *arguments, "-c", "127.0.0.1:1"])
    assert answer.exit_code == 2
