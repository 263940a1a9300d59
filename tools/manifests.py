"""Render each overlay of k8s/ and hold it against Kubernetes' own schemas.

python -m tools.manifests            every overlay, exit 1 where one is not valid
python -m tools.manifests NAME ...   these overlays
python -m tools.manifests --render NAME    print what `kubectl apply -k` would send

Strictly: a field that a schema does not know is refused, and so is a kind that has none.
Beside that what a schema cannot see: every container is as confined as the namespace asks,
and every name that stands for a ConfigMap, a Service or a port is there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate
import yaml
from tools.setup.console import MissingTool
from tools.setup.go_tools import kustomize
from tools.setup.places import REPOSITORY

OVERLAYS = REPOSITORY / "k8s" / "overlays"
VERSIONS = 2
"""How many of the newest releases of Kubernetes whose schemas are there."""
Resource: TypeAlias = dict[str, Any]


def overlays() -> list[str]:
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def rendered(folder: Path) -> str:
    """Raises ``MissingTool`` where it cannot be."""
    done = subprocess.run(
        [kustomize(), "build", folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MissingTool(f"kustomize cannot render {folder}: {done.stderr.strip()}")
    return done.stdout


def resources(text: str) -> list[Resource]:
    return [it for it in yaml.safe_load_all(text) if it]


def newest_versions() -> tuple[str, ...]:
    every = {".".join(it.split(".")[:2]) for it in kubernetes_validate.utils.all_versions()}
    by_number = sorted(every, key=lambda it: tuple(map(int, it.split("."))))
    return tuple(by_number[-VERSIONS:])


def against_schemas(everything: Iterable[Resource], versions: Sequence[str]) -> Iterator[str]:
    """What schemas refuse, each as a sentence."""
    for resource in everything:
        for version in versions:
            yield from _against_schema(resource, version)


def beyond_schemas(everything: Sequence[Resource]) -> Iterator[str]:
    """What is wrong though every schema is kept, each as a sentence."""
    for resource in everything:
        for pod in _pods(resource):
            yield from _unconfined(resource, pod)
    yield from _dangling(everything)


def _against_schema(resource: Resource, version: str) -> Iterator[str]:
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        at = ".".join(map(str, error.path))
        yield f"{_name(resource)} against {version}: {at}: {error.message[:300]}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{_name(resource)}: {error.message}"


def _pods(resource: Resource) -> Iterator[dict[str, Any]]:
    template = (resource.get("spec") or {}).get("template")
    if isinstance(template, dict):
        yield template


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def _unconfined(resource: Resource, pod: dict[str, Any]) -> Iterator[str]:
    """What the pod security standard "restricted" asks, and a little more."""
    spec, name = pod["spec"], _name(resource)
    of_pod = spec.get("securityContext", {})
    if of_pod.get("runAsNonRoot") is not True or not of_pod.get("runAsUser"):
        yield f"{name} may run as root"
    if of_pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name} has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{name} is given a token of the API server"
    for container in _containers(pod):
        own = container.get("securityContext", {})
        which = f"{name}, container {container['name']}"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{which} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{which} can write to its image"
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{which} keeps capabilities"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{which} has no limit of memory"


def _dangling(everything: Sequence[Resource]) -> Iterator[str]:
    """Names that stand for something which is not rendered."""
    of_kind = {
        kind: {it["metadata"]["name"] for it in everything if it["kind"] == kind}
        for kind in ("ConfigMap", "Service")
    }
    pods = [(resource, pod) for resource in everything for pod in _pods(resource)]
    labelled = [pod["metadata"]["labels"].items() for _, pod in pods]
    for resource, pod in pods:
        for config_map in _config_maps(pod):
            if config_map not in of_kind["ConfigMap"]:
                yield f"{_name(resource)} reads the ConfigMap {config_map}, which is not there"
        for volume in _mounted(resource, pod):
            yield f"{_name(resource)} mounts the volume {volume}, which is not there"
        if resource["kind"] == "StatefulSet":
            service = resource["spec"]["serviceName"]
            if service not in of_kind["Service"]:
                yield f"{_name(resource)} names the Service {service}, which is not there"
    for resource in everything:
        selector = _selector(resource)
        if selector and not any(selector.items() <= labels for labels in labelled):
            yield f"{_name(resource)} selects {selector}, which no pod has"


def _mounted(resource: Resource, pod: dict[str, Any]) -> list[str]:
    """Volumes that containers mount and that nobody has made."""
    claims = (resource.get("spec") or {}).get("volumeClaimTemplates", [])
    there = {volume["name"] for volume in pod["spec"].get("volumes", [])}
    there |= {claim["metadata"]["name"] for claim in claims}
    mounts = [it for container in _containers(pod) for it in container.get("volumeMounts", [])]
    return [mount["name"] for mount in mounts if mount["name"] not in there]


def _config_maps(pod: dict[str, Any]) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", []):
        if "configMap" in volume:
            yield volume["configMap"]["name"]
    for container in _containers(pod):
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"]


def _selector(resource: Resource) -> dict[str, str]:
    selector = (resource.get("spec") or {}).get("selector") or {}
    if resource["kind"] == "Service":
        return dict(selector)
    return dict(selector.get("matchLabels") or {})


def _name(resource: Resource) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def main() -> None:
    """Check overlays, or print one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("overlay", nargs="*", choices=[[], *overlays()])
    told = parser.parse_args()
    chosen, versions, is_bad = told.overlay or overlays(), newest_versions(), False
    for overlay in chosen:
        try:
            text = rendered(OVERLAYS / overlay)
        except MissingTool as missing:
            sys.exit(f"manifests: {missing}")
        if told.render:
            print(text)
            continue
        everything = resources(text)
        found = [*against_schemas(everything, versions), *beyond_schemas(everything)]
        for fault in found:
            print(f"k8s/overlays/{overlay}: {fault}", file=sys.stderr)
        is_bad = is_bad or bool(found)
        if not found:
            print(
                f"k8s/overlays/{overlay}: {len(everything)} resources are valid in Kubernetes "
                f"{' and '.join(versions)}"
            )
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
