"""The import rules name every room of the coordinator, so that a new one is not forgotten."""

from __future__ import annotations

import tomllib
from pathlib import Path


def test_the_registry_is_fenced_from_every_other_room(repository: Path) -> None:
    package = repository / "coordinator" / "src" / "shoal_coordinator"
    rooms = {
        f"shoal_coordinator.{path.stem}"
        for path in package.iterdir()
        if not path.name.startswith("_")
        and (path.suffix == ".py" or (path / "__init__.py").is_file())
    } - {"shoal_coordinator.registry"}
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    open_to_the_node = {"shoal_coordinator.access", "shoal_coordinator.process"}
    for source, wanted in (
        ("shoal_node", rooms - open_to_the_node),
        ("shoal_coordinator.registry", rooms),
    ):
        (named,) = [
            set(contract["forbidden_modules"])
            for contract in settings["tool"]["importlinter"]["contracts"]
            if contract["source_modules"] == [source]
        ]
        assert named == wanted
