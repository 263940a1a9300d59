"""``shoal node`` against the real admin service over a registry in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog.testing
from click.testing import CliRunner, Result

from admin_process import AdminInThread
from cluster_views import CONFIG, live, member, record, view
from shoal.cli.app import shoal
from shoal.cli.draining import sight
from shoal_coordinator.registry.records import MemberState


@pytest.fixture
def admin() -> Iterator[AdminInThread]:
    """Three nodes, two copies of each of two partitions; one node waits to be added."""
    seen = view(
        nodes=tuple(map(live, ("a", "b", "c", "new"))),
        members=(*map(member, "abc"), member("new", MemberState.JOINING)),
        records=(
            record(0, "a", in_sync="b", preference="a b", replicas="b"),
            record(1, "b", in_sync="a", preference="b a", replicas="a"),
        ),
        config=replace(CONFIG, replica_count=1, partition_count=2),
    )
    # Its log would go to what the commands print: they share a process here.
    with structlog.testing.capture_logs(), AdminInThread(seen) as admin:
        yield admin


def run(admin: AdminInThread, *arguments: str) -> Result:
    return CliRunner().invoke(shoal, [*arguments, "-c", admin.address])


def states(admin: AdminInThread) -> dict[str, str]:
    listed = json.loads(run(admin, "node", "list", "-o", "json").stdout)
    return {it["id"]: it["state"] for it in listed["nodes"]}


def test_nodes_are_listed(admin: AdminInThread) -> None:
    answer = run(admin, "node", "list")
    assert answer.exit_code == 0, answer.output
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert ["a", "active", "yes", "a:7400", "100", "1", "2", "2"] in rows
    assert ["new", "joining", "yes", "new:7400", "100", "0", "0", "0"] in rows


def test_a_node_is_let_in_drained_kept_weighed_and_removed(admin: AdminInThread) -> None:
    for arguments, told in (
        (("add", "new"), "node new is active with weight 100\n"),
        (("add", "new"), "node new is active with weight 100, as it was\n"),
        (("drain", "new"), "node new is draining with weight 100\n"),
        (("drain", "new", "--cancel"), "node new is active with weight 100\n"),
        (("weight", "new", "0"), "node new is active with weight 0, set by an operator\n"),
        (("weight", "new", "own"), "node new is active with weight 100\n"),
        (("remove", "new"), "node new is left with weight 100\n"),
    ):
        answer = run(admin, "node", *arguments)
        assert (answer.exit_code, answer.stdout) == (0, told), answer.output
    assert states(admin) == {"a": "active", "b": "active", "c": "active", "new": "left"}


def test_what_is_refused_ends_with_1_and_a_sentence(admin: AdminInThread) -> None:
    assert run(admin, "node", "drain", "a").exit_code == 0
    for arguments, sentence in (
        (("drain", "b"), "would leave 1 node that takes partitions"),
        (("remove", "a"), "drain it first with `shoal node drain a --wait`"),
        (("add", "a"), "`shoal node drain a --cancel`"),
        (("add", "nobody"), "start it, and add it then"),
        (("weight", "c", "0"), "add a node first"),
    ):
        answer = run(admin, "node", *arguments)
        assert answer.exit_code == 1, (arguments, answer.output)
        assert sentence in answer.stderr
    assert run(admin, "node", "remove", "a", "--force").exit_code == 0


@pytest.mark.parametrize("weight", ["-1", "1e3", "100001", ""])
def test_what_is_no_weight_is_a_wrong_command_line(admin: AdminInThread, weight: str) -> None:
    assert run(admin, "node", "weight", "--", "a", weight).exit_code == 2


def test_a_drain_is_waited_for(admin: AdminInThread) -> None:
    answer = run(admin, "node", "drain", "c", "--wait", "-o", "json")
    assert answer.exit_code == 0, answer.output
    assert answer.stderr == "node c has nothing any more\n"
    assert json.loads(answer.stdout)["state"] == "draining"
    waits = run(admin, "node", "add", "new")
    assert waits.exit_code == 0
    late = run(admin, "node", "drain", "a", "--wait", "--timeout", "0.1")
    assert late.exit_code == 1
    assert "node a still has 2 partitions, 1 of them as their primary" in late.stderr
    assert "the drain goes on" in late.stderr
    assert states(admin)["a"] == "draining"


def test_a_node_has_what_is_there_and_what_is_wanted_there() -> None:
    told = {"id": "a", "primary_partitions": 0, "in_sync_partitions": 0, "wanted_partitions": 3}
    seen = sight(told)
    assert not seen.is_over
    assert seen.sentence == "node a still has 3 partitions, 0 of them as their primary"
    assert sight({**told, "wanted_partitions": 0}).is_over
    assert not sight({**told, "wanted_partitions": 0, "primary_partitions": 1}).is_over


def test_whether_nodes_join_by_themselves_is_shown_and_changed(admin: AdminInThread) -> None:
    shown = json.loads(run(admin, "config", "get", "-o", "json").stdout)
    assert shown["auto_join"] == "on"
    changed = run(admin, "config", "set", "auto-join", "off", "-o", "json")
    assert json.loads(changed.stdout)["auto_join"] == "off"
