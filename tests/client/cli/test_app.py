"""The root of the command line: what it lists, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from shoal.cli.app import COMMANDS, shoal
from shoal.cli.commands.demo import DEMOS
from shoal.cli.lazy_group import LazyCommand


def modules_after(code: str) -> set[str]:
    """Names of what a fresh Python has imported after running the code."""
    finished = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(finished.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["up", "--help"]])
def test_answers_about_itself_import_neither_grpc_nor_rich(arguments: list[str]) -> None:
    imported = modules_after(
        f"from shoal.cli.app import shoal; shoal.main({arguments!r}, standalone_mode=False)"
    )
    assert "click" in imported
    assert not {name for name in imported if name.split(".")[0] in {"grpc", "google", "rich"}}


def test_the_help_imports_no_command() -> None:
    imported = modules_after(
        "from shoal.cli.app import shoal; shoal.main(['--help'], standalone_mode=False)"
    )
    assert not {name for name in imported if name.startswith("shoal.cli.commands.")}


def test_the_supervisor_imports_the_standard_library_alone() -> None:
    imported = modules_after("import shoal.cli.up.supervisor")
    assert not {name for name in imported if name.split(".")[0] in {"grpc", "google", "click"}}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_and_says_of_itself_what_the_list_says(name: str) -> None:
    lazy = COMMANDS[name]
    command = lazy.load()
    assert command.name == name
    assert command.short_help == lazy.short_help


@pytest.mark.parametrize("lazy", DEMOS.values(), ids=DEMOS)
def test_a_demonstration_loads(lazy: LazyCommand) -> None:
    assert lazy.load().callback is not None


def test_the_help_lists_every_command_and_every_exit_code() -> None:
    answer = CliRunner().invoke(shoal, ["--help"])
    assert answer.exit_code == 0
    for name, lazy in COMMANDS.items():
        assert name in answer.output
        assert lazy.short_help in answer.output
    assert "3    no node of the cluster could be reached" in answer.output


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """All that do something, by what is typed to call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command


COMMANDS_BY_NAME = dict(commands(shoal))
SHOW_THEMSELVES = {"up", "demo flash-sale", "demo failover", "access token", "completion"}
"""What they print is no answer: the first has --json, demos leave a report as JSON."""


@pytest.mark.parametrize("name", sorted({*COMMANDS_BY_NAME} - SHOW_THEMSELVES))
def test_every_command_that_answers_answers_people_and_programs(name: str) -> None:
    found = [it for it in COMMANDS_BY_NAME[name].params if it.name == "output"]
    assert [(it.opts, it.type.choices) for it in found if isinstance(it.type, click.Choice)] == [
        (["-o", "--output"], ("table", "json"))
    ]


def test_version() -> None:
    answer = CliRunner().invoke(shoal, ["--version"])
    assert answer.exit_code == 0
    assert answer.output.startswith("shoal 0.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["swim"], "No such command 'swim'"),
        (["set", "k", "v", "--ttl", "10q"], "is not a time"),
        (["set", "k", "v", "--ttl", "0"], "must be more than zero"),
        (["set", "k", "v", "--if-absent", "--if-present"], "take one of"),
        (["touch", "k"], "take one of --ttl and --forever"),
        (["get", "k", "--url", "redis://127.0.0.1:6379"], "must begin with 'shoal://'"),
        (["up", "--nodes", "2", "--replicas", "2"], "needs at least 3 nodes"),
        (["up", "--partitions", "100"], "not a power of two"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_sentence(arguments: list[str], sentence: str) -> None:
    answer = CliRunner().invoke(shoal, arguments)
    assert answer.exit_code == 2
    assert sentence in answer.stderr
    assert answer.stdout == ""
