"""Every sentence that an access file can be refused with, and what it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_coordinator.access.policy import Identity, Operation, Role, Token
from shoal_coordinator.access.reading import parse_policy, read_policy
from shoal_coordinator.process.errors import BadSettings

DIGEST = "ab" * 32
WHO = f"""
[[token]]
name = "app"
sha256 = "{DIGEST}"
roles = ["r"]
"""


def role(**fields: str) -> str:
    whole = {"name": '"r"', "operations": '["read"]', "prefixes": '["a:"]', **fields}
    return "[[role]]\n" + "".join(f"{name} = {told}\n" for name, told in whole.items() if told)


def test_a_file_becomes_roles_and_who_has_them() -> None:
    policy = parse_policy(
        (
            role(operations='["read", "watch"]', prefixes='["ä", {hex = "00FF"}, ""]')
            + '[[role]]\nname = "operator"\noperations = ["admin"]\n'
            + WHO
            + '[[identity]]\nname = "spiffe://example.org/shop"\nroles = ["r", "operator", "r"]\n'
        ).encode()
    )
    assert policy.roles == (
        Role(
            "r",
            frozenset({Operation.READ, Operation.WATCH}),
            frozenset({"ä".encode(), b"\x00\xff", b""}),
        ),
        Role("operator", frozenset({Operation.ADMIN})),
    )
    assert policy.tokens == (Token("app", bytes.fromhex(DIGEST), ("r",)),)
    assert policy.identities == (Identity("spiffe://example.org/shop", ("r", "operator")),)
    roles, tokens, identities = policy.table()
    assert roles[1] == (["admin"], [])
    assert tokens == [(bytes.fromhex(DIGEST), [0])]
    assert identities == [("spiffe://example.org/shop", [0, 1])]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[[role]", "not TOML"),
        ("", "nobody could do anything"),
        ("[[roles]]", "'roles' at the top is not known. Is 'role' meant?"),
        ("[role]\nname = 'r'\n" + WHO, "written as [[role]]"),
        (role(operation='["read"]') + WHO, "Is 'operations' meant?"),
        (role(operations='["reed"]') + WHO, "'reed' in operations of [[role]] 'r' is not known"),
        (role(operations="[]") + WHO, "with one at least"),
        (role(operations='"read"') + WHO, "list of names"),
        (role(name="") + WHO, "[[role]] 1 has no name"),
        (role(prefixes="") + WHO, "names no prefixes"),
        (role(prefixes="[]") + WHO, "names no prefixes"),
        (role(prefixes='"a:"') + WHO, "has to be a list"),
        (role(prefixes="[1]") + WHO, "has to be a text, or {hex = '00ff'}"),
        (role(prefixes='[{hex = "0g"}]') + WHO, "has to be a text, or {hex = '00ff'}"),
        (role(prefixes=f'["{"a" * 1025}"]') + WHO, "longer than any key"),
        (role(operations='["admin"]') + WHO, "allows nothing that is held to them"),
        (role() + role() + WHO, "two [[role]] named 'r'"),
        (role() + WHO + WHO, "two [[token]] named 'app'"),
        (role() + WHO + WHO.replace("app", "other"), "'app' and 'other' are one"),
        (role() + WHO.replace(DIGEST, "ab"), "64 hexadecimal digits"),
        (role() + WHO.replace(f'"{DIGEST}"', "7"), "64 hexadecimal digits"),
        (role() + WHO.replace('["r"]', '["s"]'), "'s' in roles of [[token]] 'app' is not known"),
        (WHO, "There is no [[role]]"),
        (role() + "[[identity]]\nname = ' '\nroles = ['r']", "has no name"),
    ],
)
def test_what_cannot_be_meant_is_refused(content: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as refused:
        parse_policy(content.encode())
    assert sentence in str(refused.value)
    assert DIGEST not in str(refused.value)


def test_a_file_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    for path, content in (("absent.toml", None), ("binary.toml", b"\xff"), ("big", b"#" * 2**21)):
        file = tmp_path / path
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(BadSettings, match=f"--access .*{path}"):
            read_policy(file)
