"""The kustomize that renders k8s/: built from its Go module, once, into the cache.

Not kubectl's own: which one that is depends on the machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools.setup.console import MissingTool, run, say
from tools.setup.etcd import go_is_usable
from tools.setup.places import REPOSITORY, cache, fingerprint

MODULE = REPOSITORY / "tools" / "kustomize"
PACKAGE = "sigs.k8s.io/kustomize/kustomize/v5"


def program() -> Path:
    """Return it, built if it was not. Raises ``MissingTool`` without Go."""
    folder = cache() / "kustomize" / fingerprint([MODULE / "go.mod", MODULE / "go.sum"])
    built = folder / "kustomize"
    if built.exists():
        return built
    if not go_is_usable():
        raise MissingTool(
            "the manifests are rendered by kustomize, and Go is missing to build it with: install "
            "Go 1.21 or later (apt-get install golang-go, or go.dev)"
        )
    say("building kustomize from its Go module (a minute, once)")
    folder.mkdir(parents=True, exist_ok=True)
    # Its own name until it is whole: others may be building it, too.
    partial = folder / f"kustomize.{os.getpid()}"
    run(
        ["go", "build", "-trimpath", "-mod=readonly", "-o", partial, PACKAGE],
        what="building kustomize",
        folder=MODULE,
        environment={"CGO_ENABLED": "0"},
    )
    partial.rename(built)
    return built
