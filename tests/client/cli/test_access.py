"""Tokens that commands make, and tokens that they show."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admin_process import AdminInThread
from cluster_views import CONFIG, live, member, record, view
from shoal.cli.app import shoal
from shoal.cli.exit_codes import ExitCode
from shoal_coordinator.access.bearer import digest_of
from shoal_coordinator.access.policy import Operation, Policy, Role, Token
from shoal_coordinator.access.reading import parse_policy
from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import HttpServer

TOKEN = "an-operators-token"
ROLE = '[[role]]\nname = "shop"\noperations = ["read"]\nprefixes = [""]\n'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(shoal, arguments)


@pytest.fixture
def shown() -> list[str | None]:
    """What was shown to a node that was asked for its introspection."""
    return []


@pytest.fixture
def coordinator(shown: list[str | None]) -> Iterator[str]:
    def app(environ: dict[str, str], start_response) -> list[bytes]:
        shown.append(environ.get("HTTP_AUTHORIZATION"))
        start_response("200 OK", [])
        return [b'{"hot_keys": [], "unlocated": 0}']

    server = HttpServer(HostPort("127.0.0.1", 0), app)
    node = live("a")
    metrics = server.url("/metrics")
    seen = view(
        nodes=(replace(node, registration=replace(node.registration, metrics_url=metrics)),),
        members=(member("a"),),
        records=(record(0, "a", preference="a"),),
        config=replace(CONFIG, partition_count=1),
    )
    access = Access(
        Policy(
            (Role("operator", frozenset({Operation.ADMIN})),),
            (Token("operator", digest_of(TOKEN), ("operator",)),),
        )
    )
    with AdminInThread(seen, access=access) as admin:
        yield admin.address
    server.close()


def test_a_token_is_made_with_the_lines_of_the_access_file() -> None:
    made = run("access", "token", 'a "shop"', "--role", "shop")
    assert made.exit_code == 0, made.output
    token, lines = made.output.split("\n\n")
    (known,) = parse_policy((ROLE + lines).encode()).tokens
    assert known == Token('a "shop"', digest_of(token), ("shop",))
    assert token not in lines
    assert len(token) >= 43
    assert run("access", "token", "b", "--role", "shop").output.split()[0] != token


def test_a_token_goes_to_a_new_file_that_its_owner_alone_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"
    made = run("access", "token", "app", "--role", "shop", "--out", str(file))
    token = file.read_text().strip()
    assert token not in made.output
    assert parse_policy((ROLE + made.output).encode()).tokens[0].sha256 == digest_of(token)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run("access", "token", "app", "--role", "shop", "--out", str(file))
    assert again.exit_code == 2
    assert file.read_text().strip() == token


def test_a_command_shows_the_token_of_its_file(
    coordinator: str, shown: list[str | None], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    status = run("node", "list", "-c", coordinator, "--token-file", str(file))
    assert status.exit_code == 0, status.output
    run("hotkeys", "-c", coordinator, "--token-file", str(file))
    assert shown == [f"Bearer {TOKEN}"]
    without = run("node", "list", "-c", coordinator)
    assert without.exit_code == ExitCode.FAILED
    assert "access file" in without.output
    file.write_text("two words")
    bad = run("node", "list", "-c", coordinator, "--token-file", str(file))
    assert bad.exit_code == 2
    assert "one token and nothing else" in bad.output
    assert run("get", "k", "--token-file", "/nowhere").exit_code == 2
