"""Programs that are tools of a Go module of ours: built from it, once, into the cache.

Not those of the machine: which they are depends on it.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.etcd import go_is_usable
from tools.setup.places import REPOSITORY, cache, fingerprint


def kustomize() -> Path:
    """It renders k8s/."""
    return built("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "a minute")


def kube_apiserver() -> Path:
    return built("apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "many minutes")


def built(name: str, package: str, takes: str) -> Path:
    """Return the program, built if it was not. Raises ``MissingTool`` without Go.

    ``name``: its module's folder in tools/.
    """
    module = REPOSITORY / "tools" / name
    folder = cache() / name / fingerprint([module / "go.mod", module / "go.sum"], package)
    program = folder / name
    if program.exists():
        return program
    if not go_is_usable():
        raise MissingTool(
            f"{name} is built from its Go module, and Go is missing: install Go 1.21 or later "
            "(apt-get install golang-go, or go.dev)"
        )
    say(f"building {name} from its Go module ({takes}, once)")
    folder.mkdir(parents=True, exist_ok=True)
    # Its own name until it is whole: others may be building it, too.
    partial = folder / f"{name}.{os.getpid()}"
    run(
        [
            *("go", "build", "-trimpath", "-mod=readonly", "-ldflags=-s -w"),
            *("-o", partial, package),
        ],
        what=f"building {name}",
        folder=module,
        environment={"CGO_ENABLED": "0"},
    )
    partial.rename(program)
    return program
