"""``shoal rebalance`` against an admin service that tells of one and is steered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from click.testing import CliRunner, Result

from shoal.cli.app import shoal
from shoal.cli.rebalancing import minute_of_day, minute_text, sight, status_fields
from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2

REPORT = registry_pb2.RebalanceReport(
    number=7,
    began_unix_ms=1_000_000,
    ended_unix_ms=1_002_500,
    outcome=registry_pb2.REBALANCE_OUTCOME_DONE,
    copies=3,
    hand_overs=1,
    moves=[
        registry_pb2.Move(
            partition=4, kind=registry_pb2.MOVE_KIND_COPY, source="a", target="b", took_ms=90
        )
    ],
    snapshot_bytes=4096,
    nodes=[registry_pb2.NodeTraffic(node="a", snapshot_bytes_sent=4096)],
    worst_p99=registry_pb2.WorstLatency(node="a", method="Get", at_most_ns=2_097_152),
    leaders=1,
)


class Admin(admin_pb2_grpc.AdminServicer):
    def __init__(self) -> None:
        self.asked: list[admin_pb2.UpdateConfigRequest] = []
        self.told = admin_pb2.GetRebalanceResponse(
            state=admin_pb2.REBALANCE_STATE_MOVING,
            flights=[admin_pb2.Flight(partition=3, source="a", targets=["b", "c"], age_ms=1500)],
            copies_left=5,
            repairs_left=1,
            hand_overs_left=2,
            bytes_left=1000,
            bytes_per_second=10.0,
            eta_seconds=100.0,
            reports=[REPORT],
        )

    def GetRebalance(
        self,
        request: admin_pb2.GetRebalanceRequest,
        context: grpc.ServicerContext,
    ) -> admin_pb2.GetRebalanceResponse:
        return self.told

    def UpdateConfig(
        self,
        request: admin_pb2.UpdateConfigRequest,
        context: grpc.ServicerContext,
    ) -> admin_pb2.UpdateConfigResponse:
        self.asked.append(request)
        config = registry_pb2.ClusterConfig(
            snapshot_bytes_per_second=request.snapshot_bytes_per_second
        )
        for field, value in request.rebalance.ListFields():
            setattr(config.rebalance, field.name, value)
        return admin_pb2.UpdateConfigResponse(config=config)


@pytest.fixture
def served() -> Iterator[tuple[Admin, str]]:
    admin = Admin()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServicer_to_server(admin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield admin, f"127.0.0.1:{port}"
    server.stop(None)


def run(served: tuple[Admin, str], *arguments: str) -> Result:
    return CliRunner().invoke(shoal, ["rebalance", *arguments, "-c", served[1]])


def test_progress_is_told_with_the_time_left(served: tuple[Admin, str]) -> None:
    answer = run(served, "status")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "moving"
    assert lines[1] == "left: 5 copies, 1 of them lacking, 2 partitions to be handed over"
    assert lines[2] == "1000 bytes left, at 10 bytes a second: for about 100 s"
    assert ["3", "a", "b,", "c", "2", "s"] in map(str.split, lines)


def test_what_is_not_known_is_not_told(served: tuple[Admin, str]) -> None:
    admin, _ = served
    for name in ("bytes_left", "bytes_per_second", "eta_seconds"):
        admin.told.ClearField(name)  # type: ignore[arg-type]
    admin.told.state, admin.told.why = admin_pb2.REBALANCE_STATE_WAITING, "node b is down"
    told = json.loads(run(served, "status", "-o", "json").stdout)
    assert (told["state"], told["why"]) == ("waiting", "node b is down")
    assert (told["bytes_left"], told["bytes_per_second"], told["eta_seconds"]) == (None,) * 3
    text = run(served, "status").stdout
    assert text.startswith("waiting: node b is down\n")
    assert "unknown bytes left, at unknown bytes a second: for an unknown time" in text


def test_reports_are_listed_and_shown(served: tuple[Admin, str]) -> None:
    listed = run(served, "report")
    assert listed.exit_code == 0, listed.output
    assert "done" in listed.stdout
    told = json.loads(run(served, "report", "7", "-o", "json").stdout)
    assert told == json.loads(run(served, "report", "-o", "json").stdout)["reports"][0]
    assert told["seconds"] == 2.5
    assert told["worst_p99"] == {"node": "a", "method": "Get", "at_most_ms": 2.097152}
    assert told["moves"] == [
        {"partition": 4, "kind": "copy", "source": "a", "target": "b", "took_ms": 90}
    ]
    rows = [line.split() for line in run(served, "report", "7").stdout.splitlines()]
    for row in (["outcome", "done"], ["worst_p99", "a,", "Get,", "2.097152"], ["moves:"]):
        assert row in rows
    assert ["4", "copy", "a", "b", "90"] in rows
    missing = run(served, "report", "8")
    assert missing.exit_code == 1
    assert "no report of a rebalance 8" in missing.stderr


def test_it_is_waited_for(served: tuple[Admin, str]) -> None:
    admin, _ = served
    late = run(served, "wait", "--timeout", "0.1")
    assert late.exit_code == 1
    assert late.stderr.startswith("moving: 5 copies and 2 hand-overs left\n")
    assert "after 0.1 s; moving: 5 copies and 2 hand-overs left" in late.stderr
    assert late.stdout == ""
    admin.told = admin_pb2.GetRebalanceResponse(state=admin_pb2.REBALANCE_STATE_IDLE)
    over = run(served, "wait")
    assert (over.exit_code, over.stdout) == (0, "everything is where it is wanted\n")
    as_json = run(served, "wait", "-o", "json")
    assert json.loads(as_json.stdout)["state"] == "idle"


@pytest.mark.parametrize("state", ["UNSPECIFIED", "WAITING", "PAUSED", "CANCELLED", "MOVING"])
def test_only_a_cluster_that_is_said_to_be_idle_is_done(state: str) -> None:
    """Without a leader nobody counts what is left."""
    told = admin_pb2.GetRebalanceResponse(
        state=admin_pb2.RebalanceState.Value(f"REBALANCE_STATE_{state}")
    )
    assert not sight(status_fields(told)).is_over


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        ("pause", registry_pb2.REBALANCE_MODE_PAUSED),
        ("resume", registry_pb2.REBALANCE_MODE_RUNNING),
        ("cancel", registry_pb2.REBALANCE_MODE_CANCELLED),
    ],
)
def test_it_is_steered(served: tuple[Admin, str], command: str, mode: int) -> None:
    answer = run(served, command, "-o", "json")
    assert answer.exit_code == 0, answer.output
    (asked,) = served[0].asked
    assert [(field.name, value) for field, value in asked.rebalance.ListFields()] == [
        ("mode", mode)
    ]
    assert json.loads(answer.stdout)["mode"] in {"paused", "running", "cancelled"}


def test_the_policy_is_changed_where_it_is_named(served: tuple[Admin, str]) -> None:
    answer = run(
        served,
        *("policy", "--moves", "3", "--window", "22:00-06:00", "--abort-on-lost-node", "on"),
        *("--snapshot-rate", "64MiB", "-o", "json"),
    )
    assert answer.exit_code == 0, answer.output
    (asked,) = served[0].asked
    assert {field.name: value for field, value in asked.rebalance.ListFields()} == {
        "moves_max": 3,
        "window_from_minute": 22 * 60,
        "window_minutes": 8 * 60,
        "abort_on_lost_node": True,
    }
    told = json.loads(answer.stdout)
    assert (told["window"], told["moves_max"], told["repairs_max"]) == ("22:00-06:00", 3, 64)
    assert told["snapshot_bytes_per_second"] == 64 << 20


def test_nothing_named_changes_nothing(served: tuple[Admin, str]) -> None:
    assert run(served, "policy").exit_code == 0
    (asked,) = served[0].asked
    assert not asked.rebalance.ListFields()
    assert not asked.HasField("snapshot_bytes_per_second")


@pytest.mark.parametrize("window", ["22-06", "24:00-06:00", "22:00", "22:00-22:00", ""])
def test_what_is_no_window_is_a_wrong_command_line(served: tuple[Admin, str], window: str) -> None:
    answer = run(served, "policy", "--window", window)
    assert answer.exit_code == 2
    assert not served[0].asked


def test_a_minute_of_the_day_comes_back() -> None:
    assert all(minute_of_day(minute_text(minute)) == minute for minute in range(1440))
