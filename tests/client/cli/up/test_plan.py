"""The processes of a cluster, as a function of options and ports."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal import Tls
from shoal._core.urls import settings_from_url
from shoal.cli.up.hints import hints
from shoal.cli.up.plan import (
    UNCLEAN,
    BadOptions,
    ClusterPlan,
    Ports,
    Programs,
    StopRank,
    UpOptions,
    plan,
    process_names,
)
from shoal_coordinator.registry.records import Unclean

PROGRAMS = Programs(Path("/opt/etcd"), ("coordinator",), ("node",))
DIRECTORY = Path("/data")


def ports_from(first: int) -> Iterator[int]:
    return itertools.count(first)


def planned(options: UpOptions) -> ClusterPlan:
    return plan(options, Ports.draw(options, ports_from(20_000)), PROGRAMS, DIRECTORY)


def flag(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_the_same_input_gives_the_same_plan() -> None:
    assert planned(UpOptions()) == planned(UpOptions())


def test_every_process_has_a_name_and_ports_of_its_own() -> None:
    cluster = planned(UpOptions(nodes=5))
    assert [spec.name for spec in cluster.specs] == process_names(UpOptions(nodes=5))
    addresses = [
        cluster.etcd.url,
        *(coordinator.address for coordinator in cluster.coordinators),
        *(node.address for node in cluster.nodes),
        *(node.metrics_url for node in cluster.nodes),
    ]
    assert len(set(addresses)) == 1 + 2 + 5 + 5


def test_everything_stays_on_loopback() -> None:
    for spec in planned(UpOptions()).specs:
        for word in spec.argv:
            assert "0.0.0.0" not in word
            if ":2" in word:
                assert "127.0.0.1:2" in word


def test_options_reach_the_programs() -> None:
    cluster = planned(
        UpOptions(
            nodes=4,
            replicas=2,
            partitions=64,
            maxmemory="1GiB",
            lease_ttl_seconds=5,
            min_in_sync=2,
            unclean="refuse",
        )
    )
    coordinator = cluster.coordinators[0].spec.argv
    assert flag(coordinator, "--partitions") == "64"
    assert flag(coordinator, "--replicas") == "2"
    assert flag(coordinator, "--bootstrap-nodes") == "4"
    assert flag(coordinator, "--lease-ttl") == "5"
    assert flag(coordinator, "--min-in-sync") == "2"
    assert flag(coordinator, "--unclean") == "refuse"
    node = cluster.nodes[3].spec.argv
    assert flag(node, "--id") == "node-4"
    assert flag(node, "--maxmemory") == "1GiB"
    assert flag(node, "--etcd") == cluster.etcd.url
    assert flag(node, "--listen") == cluster.nodes[3].address


def test_a_partition_without_a_copy_is_treated_as_the_coordinator_knows_how() -> None:
    assert tuple(Unclean) == UNCLEAN
    assert UpOptions().unclean is UNCLEAN[0]


def test_nodes_are_spread_over_zones() -> None:
    zones = [node.zone for node in planned(UpOptions(nodes=4, zones=3)).nodes]
    assert zones == ["zone-a", "zone-b", "zone-c", "zone-a"]


def test_etcd_skips_the_disk_only_for_data_that_is_thrown_away() -> None:
    assert "--unsafe-no-fsync" in planned(UpOptions()).etcd.spec.argv
    kept = planned(UpOptions(data_dir=Path("/kept"))).etcd.spec.argv
    assert "--unsafe-no-fsync" not in kept


def test_nodes_stop_before_coordinators_and_those_before_etcd() -> None:
    ranks = {spec.name: spec.rank for spec in planned(UpOptions()).specs}
    assert ranks["node-1"] < ranks["coordinator-1"] < ranks["etcd"]
    assert list(StopRank) == sorted(StopRank)


def test_a_process_that_lost_its_port_gets_another_and_the_rest_stay() -> None:
    options = UpOptions()
    before = Ports.draw(options, ports_from(20_000))
    after = before.redrawn("node-2", ports_from(30_000))
    assert after.by_process["node-2"] == (30_000, 30_001)
    assert {**after.by_process, "node-2": None} == {**before.by_process, "node-2": None}


def test_the_ready_line_is_one_line_of_the_documented_shape() -> None:
    cluster = planned(UpOptions(nodes=2))
    pids = {name: pid for pid, name in enumerate(process_names(UpOptions(nodes=2)), start=100)}
    line = cluster.ready_line(pids)
    assert "\n" not in line
    assert json.loads(line) == {
        "etcd": {"url": "http://127.0.0.1:20000", "pid": 100},
        "coordinators": [
            {
                "address": "127.0.0.1:20002",
                "pid": 101,
                "metrics": "http://127.0.0.1:20003/metrics",
            },
            {
                "address": "127.0.0.1:20004",
                "pid": 102,
                "metrics": "http://127.0.0.1:20005/metrics",
            },
        ],
        "nodes": [
            {
                "id": "node-1",
                "address": "127.0.0.1:20006",
                "pid": 103,
                "metrics": "http://127.0.0.1:20007/metrics",
            },
            {
                "id": "node-2",
                "address": "127.0.0.1:20008",
                "pid": 104,
                "metrics": "http://127.0.0.1:20009/metrics",
            },
        ],
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"nodes": 1, "replicas": 1}, "raise --nodes or lower --replicas"),
        ({"min_in_sync": 3}, "lower it or raise --replicas"),
        ({"min_in_sync": 0}, "--min-in-sync 0 is not 1 to 2"),
        ({"partitions": 3}, "power of two"),
        ({"partitions": 32_768}, "power of two up to 16384"),
        ({"zones": 27}, "--zones"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadOptions, match=sentence):
        UpOptions(**options)


def test_with_tls_programs_are_told_where_certificates_are_and_callers_whom_to_trust() -> None:
    cluster = planned(UpOptions(is_tls=True))
    own = cluster.certificates
    assert own is not None
    for it in (*cluster.coordinators, *cluster.nodes):
        assert flag(it.spec.argv, "--tls-key") == str(own.key)
        assert it.metrics_url.startswith("https://")
    assert "--tls-key" not in cluster.etcd.spec.argv
    settings = settings_from_url(cluster.url, {})
    assert settings.tls == Tls(own.authority)
    pids = {spec.name: number for number, spec in enumerate(cluster.specs)}
    assert json.loads(cluster.ready_line(pids))["tls"] == {"ca": str(own.authority)}
    assert str(own.authority) in hints(cluster, "shoal", "python")
    assert "-plaintext" not in hints(cluster, "shoal", "python")


def test_programs_run_in_the_environment_of_this_python() -> None:
    programs = Programs.beside(Path("/opt/etcd"), python="/env/bin/python")
    assert programs.node[0] == programs.coordinator[0] == "/env/bin/python"
