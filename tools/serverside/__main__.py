"""Apply each overlay of k8s/ at a real kube-apiserver: python -m tools.serverside

First as a dry run, as `kubectl apply --server-side --dry-run=server` asks for it, then in
earnest, then once more, which must change nothing. And a pod of each template, since pod
security is enforced on pods alone. Strictly: an unknown field is refused, a warning counts.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlencode

from tools.manifests import OVERLAYS, Resource, overlays, rendered, resources
from tools.serverside.server import ApiServer, Refused, serving
from tools.setup.console import MissingTool

_APPLY = "application/apply-patch+yaml"
_STRICT = {"fieldManager": "shoal", "fieldValidation": "Strict"}
_PROBED = {"fieldValidation": "Strict", "dryRun": "All"}


def apply(server: ApiServer, resource: Resource, *, is_dry: bool) -> dict[str, Any]:
    """Return the resource as the server has it then. Raises ``Refused``."""
    query = urlencode({**_STRICT, "force": "true", **({"dryRun": "All"} if is_dry else {})})
    path = f"{_collection(server, resource)}/{resource['metadata']['name']}"
    return server.call("PATCH", f"{path}?{query}", resource, _APPLY)


def _collection(server: ApiServer, resource: Resource) -> str:
    version = resource["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    known = server.call("GET", root)["resources"]
    found = [it for it in known if it["kind"] == resource["kind"] and "/" not in it["name"]]
    if not found:
        raise Refused(f"the server knows no {resource['kind']} in {version}")
    namespace = resource["metadata"].get("namespace")
    within = f"/namespaces/{namespace}" if found[0]["namespaced"] else ""
    return f"{root}{within}/{found[0]['name']}"


def pod_of(resource: Resource) -> Resource | None:
    """A pod as a controller would make it."""
    template = (resource.get("spec") or {}).get("template")
    if template is None:
        return None
    volumes = [
        {"name": it["metadata"]["name"], "emptyDir": {}}
        for it in resource["spec"].get("volumeClaimTemplates", [])
    ]
    spec = {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *volumes]}
    named = {"name": "probe", "namespace": resource["metadata"]["namespace"]}
    metadata = {**template["metadata"], **named}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def tried(server: ApiServer, overlay: str) -> list[str]:
    """What went wrong with it."""
    wrong: list[str] = []
    everything = resources(rendered(OVERLAYS / overlay))
    namespaces = [it for it in everything if it["kind"] == "Namespace"]
    server.warnings.clear()
    for resource in (*namespaces, *everything):
        name = f"{resource['kind']}/{resource['metadata']['name']}"
        is_namespace = resource["kind"] == "Namespace"
        try:
            if not is_namespace:
                apply(server, resource, is_dry=True)
            first = apply(server, resource, is_dry=False)
            again = apply(server, resource, is_dry=False)
            if first["metadata"]["resourceVersion"] != again["metadata"]["resourceVersion"]:
                wrong.append(f"{name} changes when it is applied again")
            if pod := pod_of(resource):
                server.call("POST", f"{_collection(server, pod)}?{urlencode(_PROBED)}", pod)
        except Refused as refused:
            wrong.append(f"{name}: {refused}")
    return [*wrong, *(f"a warning: {it}" for it in server.warnings)]


def main() -> None:
    """Try every overlay."""
    is_bad = False
    try:
        with serving() as server:
            print(f"kube-apiserver {server.version()}", flush=True)
            for overlay in overlays():
                wrong = tried(server, overlay)
                is_bad = is_bad or bool(wrong)
                for it in wrong:
                    print(f"k8s/overlays/{overlay}: {it}", file=sys.stderr)
                if not wrong:
                    print(f"k8s/overlays/{overlay}: taken, dry and in earnest")
    except MissingTool as missing:
        sys.exit(f"serverside: {missing}")
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
