"""The manifests are valid, and the check would notice if they were not."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.manifests import (
    OVERLAYS,
    Resource,
    against_schemas,
    beyond_schemas,
    newest_versions,
    overlays,
    rendered,
    resources,
)

from shoal_coordinator.main import main as coordinator
from shoal_coordinator.process.configuration import names
from shoal_coordinator.process.http_server import LIVE, READY
from shoal_node.main import main as node

REPOSITORY = Path(__file__).resolve().parents[2]
MONITORING = REPOSITORY / "monitoring"


@pytest.fixture(scope="module")
def kind() -> list[Resource]:
    return resources(rendered(OVERLAYS / "kind"))


def one(everything: list[Resource], kind: str, name: str) -> Resource:
    (found,) = (it for it in everything if it["kind"] == kind and it["metadata"]["name"] == name)
    return found


def container(everything: list[Resource], kind: str, name: str) -> dict[str, object]:
    (found,) = one(everything, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("overlay", overlays())
def test_every_overlay_is_valid(overlay: str) -> None:
    everything = resources(rendered(OVERLAYS / overlay))
    assert [*against_schemas(everything, newest_versions()), *beyond_schemas(everything)] == []


def test_the_newest_schemas_are_taken() -> None:
    older, newer = newest_versions()
    assert int(newer.split(".")[1]) == int(older.split(".")[1]) + 1 >= 37


def misspelt(everything: list[Resource]) -> None:
    spec = one(everything, "StatefulSet", "node")["spec"]
    spec["podManagmentPolicy"] = spec.pop("podManagementPolicy")


def misspelt_deep_inside(everything: list[Resource]) -> None:
    spec = one(everything, "StatefulSet", "node")["spec"]["template"]["spec"]
    probe = spec["containers"][0]["readinessProbe"]
    probe["periodSecond"] = probe.pop("periodSeconds")


def of_another_type(everything: list[Resource]) -> None:
    one(everything, "Deployment", "coordinator")["spec"]["replicas"] = "two"


def of_no_kind(everything: list[Resource]) -> None:
    one(everything, "PodDisruptionBudget", "node")["kind"] = "PodDisruptionBudgets"


def of_an_old_version(everything: list[Resource]) -> None:
    one(everything, "PodDisruptionBudget", "node")["apiVersion"] = "policy/v1beta1"


def root(everything: list[Resource]) -> None:
    template = one(everything, "Deployment", "coordinator")["spec"]["template"]
    del template["spec"]["securityContext"]["runAsNonRoot"]


def capable(everything: list[Resource]) -> None:
    template = one(everything, "StatefulSet", "etcd")["spec"]["template"]
    del template["spec"]["containers"][0]["securityContext"]["capabilities"]


def without_settings(everything: list[Resource]) -> None:
    everything[:] = [it for it in everything if "shoal-settings" not in it["metadata"]["name"]]


def of_nobody(everything: list[Resource]) -> None:
    one(everything, "Service", "shoal")["spec"]["selector"] = {"app.kubernetes.io/name": "nodes"}


def without_a_volume(everything: list[Resource]) -> None:
    claims = one(everything, "StatefulSet", "etcd")["spec"]["volumeClaimTemplates"]
    claims[0]["metadata"]["name"] = "date"


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (misspelt, "StatefulSet/node against .*'podManagmentPolicy' was unexpected"),
        (misspelt_deep_inside, "readinessProbe: .*'periodSecond' was unexpected"),
        (of_another_type, "spec.replicas: 'two' is not of type"),
        (of_no_kind, "Couldn't find schema for kind PodDisruptionBudgets"),
        (of_an_old_version, "Couldn't find schema .* policy/v1beta1"),
        (root, "Deployment/coordinator may run as root"),
        (capable, "StatefulSet/etcd, container etcd keeps capabilities"),
        (without_settings, "reads the ConfigMap shoal-settings-.* which is not there"),
        (without_a_volume, "StatefulSet/etcd mounts the volume data, which is not there"),
        (of_nobody, "Service/shoal selects .* which no pod has"),
    ],
)
def test_what_is_wrong_is_noticed(
    kind: list[Resource], harm: Callable[[list[Resource]], None], sentence: str
) -> None:
    harmed = copy.deepcopy(kind)
    harm(harmed)
    changed = [it for it in harmed if it not in kind]
    found = [*against_schemas(changed, newest_versions()), *beyond_schemas(harmed)]
    assert any(re.search(sentence, it) for it in found), found


@pytest.mark.parametrize(
    ("kind_of", "name", "program"),
    [("StatefulSet", "node", node), ("Deployment", "coordinator", coordinator)],
)
def test_programs_know_the_flags_they_are_given(
    kind: list[Resource], kind_of: str, name: str, program: object
) -> None:
    arguments = container(kind, kind_of, name)["args"]
    assert isinstance(arguments, list)
    given = {it.removeprefix("--").partition("=")[0] for it in arguments}
    assert given <= set(names(program))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind_of", "name", "program"),
    [("StatefulSet", "node", node), ("Deployment", "coordinator", coordinator)],
)
def test_with_tls_programs_are_told_where_it_is_mounted_and_asked_over_https(
    kind_of: str, name: str, program: object
) -> None:
    everything = resources(rendered(OVERLAYS / "tls"))
    told: Any = container(everything, kind_of, name)
    (settings,) = (it["data"] for it in everything if it["kind"] == "ConfigMap")
    (mount,) = told["volumeMounts"]
    known = names(program)  # type: ignore[arg-type]
    for flag in ("tls-cert", "tls-key", "tls-ca"):
        assert settings[f"SHOAL_{known[flag].upper()}"].startswith(f"{mount['mountPath']}/")
    probes = [told[it] for it in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert all(it["httpGet"]["scheme"] == "HTTPS" and "grpc" not in it for it in probes)
    assert {it["httpGet"]["path"] for it in probes} == {LIVE, READY}


@pytest.mark.parametrize(
    ("kind_of", "name", "program"),
    [("StatefulSet", "node", node), ("Deployment", "coordinator", coordinator)],
)
def test_with_an_access_file_programs_are_told_where_it_is_and_nothing_is_insecure(
    kind_of: str, name: str, program: object
) -> None:
    everything = resources(rendered(OVERLAYS / "access"))
    told: Any = container(everything, kind_of, name)
    (settings,) = (it["data"] for it in everything if it["kind"] == "ConfigMap")
    (mount,) = (it for it in told["volumeMounts"] if it["name"] == "access")
    known = names(program)  # type: ignore[arg-type]
    assert settings[f"SHOAL_{known['access'].upper()}"].startswith(f"{mount['mountPath']}/")
    without: Any = container(resources(rendered(OVERLAYS / "tls")), kind_of, name)
    assert [it for it in without["args"] if it not in told["args"]] == ["--insecure"]


def test_a_node_is_given_the_time_that_it_takes_to_stop(kind: list[Resource]) -> None:
    told = container(kind, "StatefulSet", "node")
    arguments, lifecycle = told["args"], told["lifecycle"]
    assert isinstance(arguments, list)
    assert isinstance(lifecycle, dict)
    (within,) = (float(it.split("=")[1]) for it in arguments if it.startswith("--stop-within="))
    pause = lifecycle["preStop"]["sleep"]["seconds"]
    spec = one(kind, "StatefulSet", "node")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= within + pause + 10


def test_the_policies_open_the_ports_that_are_served(kind: list[Resource]) -> None:
    served = {
        port["containerPort"]
        for it in kind
        if it["kind"] in {"StatefulSet", "Deployment"}
        for port in it["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    opened = {
        port["port"]
        for it in kind
        if it["kind"] == "NetworkPolicy"
        for rule in it["spec"].get("ingress", [])
        for port in rule["ports"]
    }
    assert opened == served


def test_monitoring_is_told_what_stands_in_monitoring(kind: list[Resource]) -> None:
    alerts = one(kind, "ConfigMap", "shoal-alerts")["data"]["alerts.yaml"]
    assert yaml.safe_load(alerts) == yaml.safe_load((MONITORING / "alerts.yaml").read_text())


def test_etcd_is_the_release_that_is_tested_with(kind: list[Resource]) -> None:
    _, _, tag = str(container(kind, "StatefulSet", "etcd")["image"]).rpartition(":")
    modules = (REPOSITORY / "tools" / "etcd" / "go.mod").read_text()
    assert f"go.etcd.io/etcd/server/v3 {tag}\n" in modules
