"""The catalogue of mutants keeps up with the code: running them takes long, looking does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.mutants.catalogue import MUTANTS

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda it: it.name)
def test_it_applies(mutant) -> None:
    assert (_ROOT / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda it: it.name)
def test_its_exploration_stands(mutant) -> None:
    crate = mutant.package.removeprefix("shoal-").removesuffix("-explored")
    sources = (_ROOT / "node/explore" / crate).rglob("*.rs")
    assert any(f"fn {mutant.test}(" in source.read_text() for source in sources)
