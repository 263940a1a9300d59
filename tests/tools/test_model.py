"""The parts of ``make model`` that need no Java."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.model.configuration import NoRules, configurations
from tools.model.outcome import Outcome, Unreadable, read_outcome


def test_every_rule_is_taken_away_alone(repository: Path) -> None:
    designed, *mutants = configurations((repository / "spec/as_designed.cfg").read_text())
    assert not designed.must_break
    assert "= TRUE" not in designed.text
    module = (repository / "spec/Promotion.tla").read_text()
    assert len(mutants) == 8
    for mutant in mutants:
        assert mutant.must_break
        assert mutant.text.count("= TRUE") == 1
        assert f"{mutant.name} = TRUE" in mutant.text
        assert mutant.name in module


def test_a_configuration_without_rules_is_refused() -> None:
    with pytest.raises(NoRules):
        configurations("CONSTANTS\n    MaxEpoch = 2\n")


def test_reads_that_all_holds() -> None:
    output = (
        "Model checking completed. No error has been found.\n"
        "2,280,058 states generated, 488,667 distinct states found, 0 states left on queue.\n"
    )
    assert read_outcome(output) == Outcome(distinct_states=488_667, violated=None, steps=0)


def test_reads_which_invariant_breaks_and_when() -> None:
    output = (
        "Error: Invariant InSyncSurvives is violated.\nState 1: <Initial predicate>\n"
        "State 2: <Write line 1>\nState 3: <Ack line 2>\n"
        "12 states generated, 9 distinct states found, 4 states left on queue.\n"
    )
    outcome = read_outcome(output)
    assert outcome == Outcome(distinct_states=9, violated="InSyncSurvives", steps=3)
    assert str(outcome) == "InSyncSurvives breaks after 2 steps"


@pytest.mark.parametrize("output", ["", "Parsing file\nError: out of memory\n"])
def test_what_did_not_finish_is_no_outcome(output: str) -> None:
    with pytest.raises(Unreadable):
        read_outcome(output)
