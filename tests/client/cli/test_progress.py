"""A bar for who watches, and lines for a log."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.cli.progress import Dwindling, say_on_stderr, telling
from terminal import Terminal

TELLS = """
import sys, time
from shoal.cli.progress import say_on_stderr, telling
with telling(say_on_stderr, may_draw=sys.argv[1] == "yes") as tell:
    for done in range(4):
        tell("moving" if done < 3 else "moved", done / 3)
    print("beside")
    time.sleep(0.3)  # a bar is drawn ten times a second
print("the answer")
"""
COLOUR = r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7])[;m]"


def shown(may_draw: str, **environment: str) -> str:
    terminal = Terminal(sys.executable, "-c", TELLS, may_draw, **environment)
    try:
        assert terminal.read_to_the_end(30) == 0
        return terminal.text
    finally:
        terminal.close()


def test_in_a_terminal_there_is_a_bar_and_no_line_of_it_stays() -> None:
    text = shown("yes")
    assert "moved" in text
    assert "━" in text
    assert "100%" in text
    assert text.index("beside") < text.index("the answer")
    after = text.partition("the answer")[2]
    assert "━" not in after


@pytest.mark.parametrize(("may_draw", "terminal"), [("no", "xterm"), ("yes", "dumb")])
def test_where_no_bar_can_or_shall_be_there_are_lines(may_draw: str, terminal: str) -> None:
    text = shown(may_draw, TERM=terminal)
    assert "━" not in text
    assert text.split() == ["moving", "moved", "beside", "the", "answer"]


def test_no_color_leaves_the_bar_without_colours() -> None:
    coloured, plain = shown("yes"), shown("yes", NO_COLOR="1")
    assert re.search(COLOUR, coloured)
    assert "━" in plain
    assert not re.search(COLOUR, plain)


def test_without_a_terminal_each_sentence_is_said_once_and_stdout_is_the_answer() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TELLS, "yes"], capture_output=True, text=True, check=True
    )
    assert ran.stderr == "moving\nmoved\n"
    assert ran.stdout == "beside\nthe answer\n"


def test_a_log_that_is_not_wanted_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    with telling() as tell:
        tell("moving", 0.5)
    with telling(say_on_stderr) as tell:
        tell("moved", 1.0)
    assert capsys.readouterr().err == "moved\n"


@given(st.lists(st.integers(0, 10_000)))
def test_a_part_is_between_none_and_all_and_all_when_nothing_is_left(lefts: list[int]) -> None:
    dwindling = Dwindling()
    for left in lefts:
        assert 0.0 <= dwindling.part(left) <= 1.0
        assert dwindling.part(0) == 1.0


def test_a_part_is_of_the_most_that_was_left() -> None:
    dwindling = Dwindling()
    assert [dwindling.part(left) for left in (5, 10, 5, 0)] == [0.0, 0.0, 0.5, 1.0]
