"""Flags over SHOAL_* over a file over defaults, in a command of its own and in the real two."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from shoal_coordinator.main import main as coordinator
from shoal_coordinator.process.configuration import CONTEXT_SETTINGS, config_option, names
from shoal_node.main import main as node


@click.command(context_settings=CONTEXT_SETTINGS)
@config_option("node")
@click.option("--etcd", required=True)
@click.option("--slow-request", type=int, default=10)
@click.option("--id", "node_id", default="nobody")
@click.option("--insecure", is_flag=True)
def program(etcd: str, slow_request: int, node_id: str, insecure: bool) -> None:
    click.echo(f"{etcd} {slow_request} {node_id} {insecure}")


def run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(program, arguments, env=environment)


def test_a_flag_comes_before_the_environment_before_the_file_before_the_default(
    tmp_path: Path,
) -> None:
    file = tmp_path / "shoal.toml"
    for in_flags, in_environment, in_table, at_top in product((False, True), repeat=4):
        file.write_text(
            'etcd = "there"\n'
            + ("slow-request = 1\n" if at_top else "")
            + "[node]\n"
            + ("slow-request = 2\n" if in_table else "")
        )
        environment = {"SHOAL_SLOW_REQUEST": "3"} if in_environment else {}
        flags = ["--slow-request", "4"] if in_flags else []
        found = run("--config", str(file), *flags, environment=environment)
        places = ((in_flags, 4), (in_environment, 3), (in_table, 2), (at_top, 1), (True, 10))
        wanted = next(value for is_there, value in places if is_there)
        assert found.stdout == f"there {wanted} nobody False\n"


def test_the_environment_names_the_file_and_any_setting(tmp_path: Path) -> None:
    file = tmp_path / "shoal.toml"
    file.write_text('[node]\netcd = "x"\ninsecure = true\nid = 7\n')
    assert run(environment={"SHOAL_CONFIG": str(file)}).stdout == "x 10 7 True\n"
    environment = {"SHOAL_CONFIG": str(file), "SHOAL_NODE_ID": "me", "SHOAL_INSECURE": "false"}
    assert run(environment=environment).stdout == "x 10 me False\n"


def test_the_file_is_read_first_wherever_its_flag_was_declared(tmp_path: Path) -> None:
    @click.command(context_settings=CONTEXT_SETTINGS)
    @click.option("--etcd", required=True)
    @config_option("node")
    def late(etcd: str) -> None:
        click.echo(etcd)

    file = tmp_path / "shoal.toml"
    file.write_text('etcd = "x"\n')
    assert CliRunner().invoke(late, env={"SHOAL_CONFIG": str(file)}).stdout == "x\n"


def test_another_program_s_table_is_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "shoal.toml"
    file.write_text('etcd = "x"\n[coordinator]\npartitions = 16\n')
    assert run("--config", str(file)).stdout == "x 10 nobody False\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("slow_request = 1", "slow_request at the top is no setting of the node. Is slow-request"),
        ("[node]\nnode-id = 'a'", "node-id under [node] is no setting of the node."),
        ("[nodes]\nid = 'a'", "nodes at the top is no setting"),
        ("config = 'a'", "config at the top is no setting"),
        ("node = 3", "node has to be a table, [node]"),
        ("etcd = ['a', 'b']", "etcd has to be a text, a number, or true or false"),
        ("etcd = ", "is not TOML"),
        ("etcd = 'a'\nslow-request = 1.5", "'1.5' is not a valid integer"),
        ("etcd = 'a'\ninsecure = 'perhaps'", "'perhaps' is not a valid boolean"),
    ],
)
def test_a_mistake_is_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "shoal.toml"
    file.write_text(text)
    found = run("--config", str(file))
    assert found.exit_code == 2
    assert sentence in " ".join(found.stderr.split())


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = run("--config", str(tmp_path / "absent.toml"))
    assert found.exit_code == 2
    assert "absent.toml: No such file" in found.stderr


@pytest.mark.parametrize(("command", "program"), [(node, "node"), (coordinator, "coordinator")])
def test_every_setting_of_the_real_programs_can_stand_in_a_file(
    command: click.Command, program: str, tmp_path: Path
) -> None:
    known = names(command)
    assert {"etcd", "listen", "insecure"} <= known.keys()
    file = tmp_path / "shoal.toml"
    file.write_text(f"[{program}]\n" + "".join(f'{flag} = "?"\n' for flag in known))
    # The file is read, and refused at the first value that cannot be meant.
    found = CliRunner().invoke(command, ["--config", str(file)])
    assert found.exit_code == 2
    assert "no setting" not in found.stderr
    assert "?" in found.stderr
