"""Nodes are added, drained and removed by commands under a load that verifies, and whoever
is killed in the middle of it, nothing is lost and everything ends where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tools.soak.cluster import Cluster, Program, Shape
from tools.soak.proxies import Proxies

from operated_cluster import COPIES, OperatedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

GOES = "node-1"
STAY = ("node-2", "node-3", "node-4")
EVERYBODY = (GOES, *STAY)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedCluster]:
    """Three nodes, two copies of 32 partitions, and 24 MB in them."""
    folder = tmp_path_factory.mktemp("membership")
    shape = Shape(nodes=3, replicas=COPIES - 1, partitions=32)
    with Cluster(shape, Proxies(), folder) as cluster:
        cluster.wait_until_served(COPIES)
        operated = OperatedCluster(cluster, folder)
        operated.fill()
        yield operated


def slowly(operated: OperatedCluster) -> None:
    """So that something is under way for long enough to be met, on a busy machine too."""
    operated.run("rebalance", "policy", "--snapshot-rate", "128KiB", "--moves", "2")


def quickly(operated: OperatedCluster) -> None:
    operated.run("rebalance", "policy", "--snapshot-rate", "none", "--moves", "0")


def test_nodes_come_and_go_under_load_and_no_caller_notices(operated: OperatedCluster) -> None:
    cluster = operated.cluster
    slowly(operated)
    before_bytes = operated.snapshot_bytes()
    with operated.verified("come-and-go", with_failures=False) as load:
        operated.start("node-4")
        operated.until(lambda: operated.copies_on("node-4") > 0, "a copy on the node that came")

        operated.run("rebalance", "pause")
        operated.until(
            lambda: operated.is_settled(operated.view) and flights(operated) == [],
            "what is under way to end",
        )
        had = operated.copies_on("node-4")
        paused = operated.told("rebalance", "status")
        assert (paused["state"], paused["eta_seconds"]) == ("paused", None)
        assert paused["copies_left"] > 0, "it was paused in the middle"
        at = operated.view.revision
        assert operated.told("rebalance", "status")["copies_left"] == paused["copies_left"]
        operated.run("rebalance", "resume")
        cluster.chronicle.until(
            lambda view: view.revision > at and operated.copies_on("node-4") > had, "it to go on"
        )
        quickly(operated)
        operated.wait_until_settled(*EVERYBODY)

        drained = operated.run("node", "drain", GOES, "--wait", "--timeout", "60")
        assert f"node {GOES} still has" in drained.stderr
        assert drained.stderr.endswith(f"node {GOES} has nothing any more\n")
        operated.wait_until_settled(*STAY)
        assert operated.copies_on(GOES) == 0
        again = operated.told("node", "drain", GOES)
        assert (again["state"], again["changed"]) == ("draining", False)

        reports = reports_of(operated)
        sent = operated.snapshot_bytes() - before_bytes
        assert sum(it["snapshot_bytes"] for it in reports) == sent, "what was on the wire"

        assert operated.told("node", "remove", GOES)["state"] == "left"
        cluster.nodes[GOES].terminate()
        assert cluster.nodes[GOES].wait() == 0
    assert load.errors == {}
    assert operated.is_all_there()
    assert all(it["outcome"] == "done" for it in reports)
    assert sum(it["copies"] for it in reports) == sum(
        node["copies_received"] for it in reports for node in it["nodes"]
    )
    assert any(it["worst_p99"] is not None for it in reports)
    operated.until(
        lambda: operated.told("check", exit_code=None)["level"] == "OK", "every alarm to be quiet"
    )


def reports_of(operated: OperatedCluster) -> list[dict[str, object]]:
    """Once the last one has ended."""

    def have_ended() -> bool:
        reports = operated.told("rebalance", "report")["reports"]
        return bool(reports) and all(it["ended"] is not None for it in reports)

    operated.until(have_ended, "every rebalance to be over")
    reports: list[dict[str, object]] = operated.told("rebalance", "report")["reports"]
    return reports


@pytest.mark.parametrize("victim", ["leader", "source", "target"])
def test_whoever_is_killed_in_the_middle_of_a_drain_it_ends(
    operated: OperatedCluster, victim: str
) -> None:
    whole(operated)
    slowly(operated)
    with operated.verified(f"kill-{victim}", with_failures=True):
        operated.run("node", "drain", GOES)
        operated.until(lambda: flights(operated) != [], "something to be under way")
        killed = chosen(operated, victim)
        killed.kill()
        quickly(operated)
        if victim != "leader":
            operated.cluster.chronicle.until(
                lambda view: killed.name not in view.nodes, f"{killed.name} to be gone"
            )
        killed.start()
        operated.run("node", "drain", GOES, "--wait", "--timeout", "100")
        operated.wait_until_settled(*STAY)
    assert operated.copies_on(GOES) == 0
    assert operated.cluster.complaints() == []
    if victim == "leader":
        carried_on = [it for it in reports_of(operated) if it["leaders"] == 2]
        assert carried_on, "the next one went on with the report"
        # Nobody who had acknowledged anything was killed.
        assert operated.is_all_there()


def test_a_drain_is_taken_back_in_the_middle(operated: OperatedCluster) -> None:
    whole(operated)
    slowly(operated)
    operated.run("node", "drain", GOES)
    operated.until(lambda: flights(operated) != [], "something to be under way")
    assert operated.told("node", "drain", GOES, "--cancel")["state"] == "active"
    quickly(operated)
    operated.wait_until_settled(*EVERYBODY)


def test_a_cancelled_rebalance_keeps_what_stands_until_the_members_change(
    operated: OperatedCluster,
) -> None:
    whole(operated)
    slowly(operated)
    operated.run("node", "drain", GOES)
    operated.until(lambda: flights(operated) != [], "something to be under way")
    operated.run("rebalance", "cancel")
    operated.until(lambda: flights(operated) == [], "what is under way to be taken back")
    status = operated.told("rebalance", "status")
    assert status["state"] == "cancelled"
    assert status["copies_left"] > 0
    assert operated.copies_on(GOES) > 0
    assert reports_of(operated)[0]["outcome"] == "cancelled"
    quickly(operated)
    operated.run("node", "weight", GOES, "150")
    assert operated.told("rebalance", "status")["state"] == "cancelled", "it takes no share"
    operated.run("node", "drain", GOES, "--cancel")
    operated.run("node", "weight", GOES, "own")
    operated.until(
        lambda: operated.told("rebalance", "status")["state"] == "idle", "the cancel to be over"
    )
    operated.wait_until_settled(*EVERYBODY)


def test_what_would_harm_is_refused(operated: OperatedCluster) -> None:
    whole(operated)
    refused = operated.run("node", "remove", GOES, exit_code=1)
    assert f"shoal node drain {GOES} --wait" in refused.stderr
    operated.run("node", "drain", "node-3")
    operated.run("node", "drain", "node-4")
    refused = operated.run("node", "drain", GOES, exit_code=1)
    assert "would leave 1 node that takes partitions" in refused.stderr
    operated.run("node", "drain", "node-3", "--cancel")
    operated.run("node", "drain", "node-4", "--cancel")
    operated.wait_until_settled(*EVERYBODY)


def test_a_node_that_waits_is_given_nothing_until_it_is_added(operated: OperatedCluster) -> None:
    whole(operated)
    operated.run("config", "set", "auto-join", "off")
    operated.start("node-5")
    operated.until(lambda: operated.node("node-5").get("state") == "joining", "node-5 to wait")
    operated.run("node", "weight", GOES, "0")
    operated.wait_until_settled(*STAY)
    assert operated.node("node-5")["wanted_partitions"] == 0
    operated.run("node", "add", "node-5")
    operated.wait_until_settled(*STAY, "node-5")
    operated.run("node", "drain", "node-5", "--wait", "--timeout", "60")
    operated.run("node", "remove", "node-5")
    operated.cluster.nodes.pop("node-5").kill()
    operated.run("node", "weight", GOES, "own")
    operated.run("config", "set", "auto-join", "on")
    operated.wait_until_settled(*EVERYBODY)


def whole(operated: OperatedCluster) -> None:
    """All four nodes take the same share, and nothing is under way."""
    quickly(operated)
    operated.run("rebalance", "resume")
    for name in EVERYBODY:
        operated.start(name)
    operated.cluster.chronicle.until(lambda view: set(EVERYBODY) <= set(view.nodes), "all nodes")
    for name in EVERYBODY:
        operated.until(lambda name=name: operated.node(name).get("state") is not None, name)  # type: ignore[misc]
        match operated.node(name)["state"]:
            case "left":
                operated.run("node", "add", name)
            case "draining":
                operated.run("node", "drain", name, "--cancel")
    operated.wait_until_settled(*EVERYBODY)
    # Told by the coordinator, which looks a little later.
    operated.until(lambda: flights(operated) == [], "nothing to be under way")


def flights(operated: OperatedCluster) -> list[dict[str, object]]:
    found: list[dict[str, object]] = operated.told("rebalance", "status")["flights"]
    return found


def chosen(operated: OperatedCluster, victim: str) -> Program:
    if victim == "leader":
        return operated.leader()
    if victim == "source":
        return operated.cluster.nodes[GOES]
    for held in operated.view.partitions.values():
        record = held.record
        there = {copy.node for copy in record.in_sync}
        for node in record.preference[:COPIES]:
            if node not in there:
                return operated.cluster.nodes[node]
    return operated.cluster.nodes[str(flights(operated)[0]["targets"][0])]  # type: ignore[index]
