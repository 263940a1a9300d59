"""``shoal ring`` against a coordinator's admin service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from click.testing import CliRunner

from shoal._core.slots import slot_of
from shoal.cli.app import shoal
from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2


class Admin(admin_pb2_grpc.AdminServicer):
    """Two nodes, one of them down; every slot is explained alike."""

    def GetClusterStatus(
        self, request: admin_pb2.GetClusterStatusRequest, context: grpc.ServicerContext
    ) -> admin_pb2.GetClusterStatusResponse:
        up, down = (
            admin_pb2.NodeStatus(
                member=registry_pb2.Member(
                    id=node, state=registry_pb2.MEMBER_STATE_ACTIVE, weight=weight, zone="z"
                ),
                primary_partitions=5,
                wanted_primary_partitions=6,
            )
            for node, weight in (("a", 300), ("b", 100))
        )
        up.registration.id = "a"
        config = registry_pb2.ClusterConfig(partition_count=8)
        return admin_pb2.GetClusterStatusResponse(
            config=config, nodes=[up, down], misplaced_partitions=2
        )

    def ExplainRing(
        self, request: admin_pb2.ExplainRingRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ExplainRingResponse:
        return admin_pb2.ExplainRingResponse(
            slot=request.slot,
            partition=3,
            point=255,
            tokens=[admin_pb2.RingToken(node="b", point=256)],
            record=registry_pb2.PartitionRecord(
                preference=["a", "b"], primary=registry_pb2.Copy(node="a"), epoch=4
            ),
            why=["it is so"],
        )


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServicer_to_server(Admin(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_the_summary_shows_each_node_beside_its_fair_share(address: str) -> None:
    answer = CliRunner().invoke(shoal, ["ring", "-c", address, "-o", "json"])
    assert answer.exit_code == 0, answer.output
    first, second = json.loads(answer.stdout)["nodes"]
    assert (first["id"], first["fair_primary_partitions"], first["state"]) == ("a", 6.0, "active")
    assert (second["fair_primary_partitions"], second["state"]) == (2.0, "down")
    shown = CliRunner().invoke(shoal, ["ring"], env={"SHOAL_COORDINATOR": address})
    assert "2 of 8 partitions are not where they are wanted" in shown.stdout


def test_a_key_is_explained(address: str) -> None:
    asked = ["ring", "explain", "product:{42}", "-c", address]
    told = json.loads(CliRunner().invoke(shoal, [*asked, "-o", "json"]).stdout)
    assert (told["key"], told["slot"]) == ("product:{42}", slot_of(b"42"))
    assert told["tokens"] == [{"node": "b", "point": "0000000000000100"}]
    assert (told["preference"], told["primary"], told["why"]) == (["a", "b"], "a", ["it is so"])
    shown = CliRunner().invoke(shoal, asked)
    assert shown.exit_code == 0, shown.output
    assert "preference  a, b" in shown.stdout
    assert "why         it is so" in shown.stdout


def test_without_a_coordinator_it_says_how_to_name_one() -> None:
    answer = CliRunner().invoke(shoal, ["ring"])
    assert answer.exit_code == 2
    assert "SHOAL_COORDINATOR" in answer.stderr
