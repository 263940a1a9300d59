"""``shoal check``: exit codes as monitoring systems expect them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from click.testing import CliRunner, Result

from shoal.cli.app import shoal
from shoal.cli.commands.check import Verdict, gravest
from shoal.v1 import admin_pb2, admin_pb2_grpc

OK = admin_pb2.Alarm(
    name="fine", level=admin_pb2.ALARM_LEVEL_OK, value=0, critical_from=1, says="all is well"
)
WARNING = admin_pb2.Alarm(
    name="odd", level=admin_pb2.ALARM_LEVEL_WARNING, value=2, says="it is odd", advice="look at it"
)
CRITICAL = admin_pb2.Alarm(
    name="bad", level=admin_pb2.ALARM_LEVEL_CRITICAL, value=9, says="it is bad", advice="mend it"
)
UNKNOWN = admin_pb2.Alarm(name="dark", level=admin_pb2.ALARM_LEVEL_UNKNOWN, says="who knows")


class Admin(admin_pb2_grpc.AdminServicer):
    def __init__(self) -> None:
        self.alarms: list[admin_pb2.Alarm] = [OK]

    def CheckCluster(
        self,
        request: admin_pb2.CheckClusterRequest,
        context: grpc.ServicerContext,
    ) -> admin_pb2.CheckClusterResponse:
        if not self.alarms:
            context.abort(grpc.StatusCode.UNAVAILABLE, "no coordinator leads now")
        return admin_pb2.CheckClusterResponse(alarms=self.alarms)


@pytest.fixture
def served() -> Iterator[tuple[Admin, str]]:
    admin = Admin()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServicer_to_server(admin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield admin, f"127.0.0.1:{port}"
    server.stop(None)


def run(address: str, *arguments: str) -> Result:
    return CliRunner().invoke(shoal, ["check", *arguments, "-c", address])


@pytest.mark.parametrize(
    ("alarms", "code", "first"),
    [
        ([OK, OK], 0, "OK: all 2 alarms are quiet"),
        ([OK, WARNING], 1, "WARNING: it is odd"),
        ([WARNING, CRITICAL, UNKNOWN], 2, "CRITICAL: it is odd; it is bad; who knows"),
        ([OK, UNKNOWN], 3, "UNKNOWN: who knows"),
        ([WARNING, UNKNOWN], 1, "WARNING: it is odd; who knows"),
    ],
)
def test_the_gravest_alarm_decides(
    served: tuple[Admin, str], alarms: list[admin_pb2.Alarm], code: int, first: str
) -> None:
    served[0].alarms = alarms
    answer = run(served[1])
    assert (answer.exit_code, answer.stdout.splitlines()[0]) == (code, first)
    told = json.loads(run(served[1], "-o", "json").stdout)
    assert told["level"] == Verdict(code).name
    assert len(told["alarms"]) == len(alarms)


def test_each_alarm_that_is_raised_has_a_line_with_what_to_do(served: tuple[Admin, str]) -> None:
    served[0].alarms = [OK, WARNING, CRITICAL]
    lines = run(served[1]).stdout.splitlines()
    assert lines[1:] == [
        "CRITICAL  bad: it is bad: mend it",
        "WARNING   odd: it is odd: look at it",
    ]
    assert "OK        fine: all is well" in run(served[1], "--all").stdout.splitlines()


def test_without_an_answer_it_is_unknown(served: tuple[Admin, str]) -> None:
    served[0].alarms = []
    for address in (served[1], "127.0.0.1:1"):
        answer = run(address)
        assert answer.exit_code == 3
        assert answer.stdout.startswith("UNKNOWN: no coordinator answered at ")


def test_of_nothing_nothing_is_known() -> None:
    assert gravest([]) is Verdict.UNKNOWN
