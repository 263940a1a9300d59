"""From the access file to a policy, or a sentence that says what is wrong with it.

    [[role]]
    name = "shop"
    operations = ["read", "write", "watch"]
    prefixes = ["product:", {hex = "00ff"}]

    [[token]]
    name = "shop-frontend"
    sha256 = "9f86d081..."
    roles = ["shop"]

    [[identity]]
    name = "spiffe://example.org/shop"
    roles = ["shop"]

Prefixes are bytes: a text is its UTF-8. A name that is not known is refused wherever it
stands: what was misspelt must not silently allow less, or be thought to deny.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from shoal_coordinator.access.policy import (
    HELD_TO_PREFIXES,
    PREFIXED,
    Identity,
    Operation,
    Policy,
    Role,
    Token,
)
from shoal_coordinator.process.errors import BadSettings

FLAG: Final = "--access"
_BYTES_MAX: Final = 1 << 20
_PREFIX_BYTES_MAX: Final = 1024
_SHA256_BYTES: Final = 32

E = TypeVar("E")


def read_policy(path: Path) -> Policy:
    """Read a file. Raises BadSettings, whose sentence tells of no token and no digest."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise BadSettings(f"{FLAG} {path} cannot be read: {error.strerror}") from error
    if len(content) > _BYTES_MAX:
        raise BadSettings(f"{FLAG} {path} is larger than 1 MiB: use roles, and fewer tokens")
    try:
        return parse_policy(content)
    except BadSettings as error:
        raise BadSettings(f"{FLAG} {path}: {error}") from error


def parse_policy(content: bytes) -> Policy:
    """Read what stands in a file. Raises BadSettings."""
    try:
        told = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise BadSettings("it is not TOML, which is UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # Its message tells where, and may quote one character.
        raise BadSettings(f"it is not TOML: {error}") from error
    _check_names("at the top", told, ("role", "token", "identity"))
    roles = tuple(_each(told, "role", _role))
    known = [role.name for role in roles]
    policy = Policy(
        roles=roles,
        tokens=tuple(_each(told, "token", lambda at, it: _token(at, it, known))),
        identities=tuple(_each(told, "identity", lambda at, it: _identity(at, it, known))),
    )
    _check_once("role", known)
    _check_once("token", [token.name for token in policy.tokens])
    _check_once("identity", [identity.name for identity in policy.identities])
    _check_digests(policy.tokens)
    if not policy.tokens and not policy.identities:
        raise BadSettings(
            "it has no [[token]] and no [[identity]], so that nobody could do anything: add who "
            "may, or leave --access out"
        )
    return policy


def _role(at: str, told: Mapping[str, Any]) -> Role:
    _check_names(at, told, ("name", "operations", "prefixes"))
    operations = frozenset(_operation(at, name) for name in _texts(at, told, "operations"))
    prefixes = told.get("prefixes", [])
    if not isinstance(prefixes, list):
        raise BadSettings(f"prefixes of {at} has to be a list, such as ['product:']")
    held = sorted(operations & HELD_TO_PREFIXES)
    if held and not prefixes:
        raise BadSettings(
            f"{at} allows to {held[0]}, and names no prefixes: write those of the keys or tags "
            "that are meant, or prefixes = [''] for all"
        )
    if prefixes and not operations & PREFIXED:
        raise BadSettings(
            f"{at} has prefixes, and allows nothing that is held to them: leave them out"
        )
    return Role(_name(at, told), operations, frozenset(_prefix(at, it) for it in prefixes))


def _token(at: str, told: Mapping[str, Any], known: list[str]) -> Token:
    _check_names(at, told, ("name", "sha256", "roles"))
    name = _name(at, told)
    try:
        digest = bytes.fromhex(told.get("sha256", ""))
    except (TypeError, ValueError):
        digest = b""
    if len(digest) != _SHA256_BYTES:
        raise BadSettings(
            f"sha256 of {at} has to be 64 hexadecimal digits, those of the token: `shoal access "
            "token` writes both"
        )
    return Token(name, digest, _roles(at, told, known))


def _identity(at: str, told: Mapping[str, Any], known: list[str]) -> Identity:
    _check_names(at, told, ("name", "roles"))
    return Identity(_name(at, told), _roles(at, told, known))


def _each(
    told: Mapping[str, Any], kind: str, read: Callable[[str, Mapping[str, Any]], E]
) -> Iterable[E]:
    tables = told.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadSettings(f"{kind} has to be written as [[{kind}]], once for each")
    for number, table in enumerate(tables, start=1):
        name = table.get("name")
        yield read(
            f"[[{kind}]] {name!r}" if isinstance(name, str) else f"[[{kind}]] {number}", table
        )


def _check_names(at: str, told: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in told:
        if name not in known:
            raise BadSettings(f"{name!r} {at} is not known.{_hint(name, known)}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Is {near[0]!r} meant?" if near else f" There are {', '.join(known)}"


def _name(at: str, told: Mapping[str, Any]) -> str:
    name = told.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadSettings(f"{at} has no name: give it one")
    return name


def _texts(at: str, told: Mapping[str, Any], field: str) -> list[str]:
    texts = told.get(field)
    if not isinstance(texts, list) or not texts or not all(isinstance(it, str) for it in texts):
        raise BadSettings(f"{field} of {at} has to be a list of names, with one at least")
    return texts


def _operation(at: str, name: str) -> Operation:
    try:
        return Operation(name)
    except ValueError as error:
        raise BadSettings(
            f"{name!r} in operations of {at} is not known.{_hint(name, [*Operation])}"
        ) from error


def _roles(at: str, told: Mapping[str, Any], known: list[str]) -> tuple[str, ...]:
    roles = tuple(dict.fromkeys(_texts(at, told, "roles")))
    for role in roles:
        if role not in known:
            hint = _hint(role, known) if known else " There is no [[role]]"
            raise BadSettings(f"{role!r} in roles of {at} is not known.{hint}")
    return roles


def _prefix(at: str, told: object) -> bytes:
    prefix: bytes | None = None
    if isinstance(told, str):
        prefix = told.encode()
    elif isinstance(told, dict) and [*told] == ["hex"]:
        try:
            prefix = bytes.fromhex(told["hex"])
        except (TypeError, ValueError):
            prefix = None
    if prefix is None:
        raise BadSettings(f"a prefix of {at} has to be a text, or {{hex = '00ff'}} for other bytes")
    if len(prefix) > _PREFIX_BYTES_MAX:
        raise BadSettings(f"a prefix of {at} is longer than any key may be: shorten it")
    return prefix


def _check_once(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BadSettings(f"there are two [[{kind}]] named {name!r}: make one of them")


def _check_digests(tokens: tuple[Token, ...]) -> None:
    seen: dict[bytes, str] = {}
    for token in tokens:
        if token.sha256 in seen:
            raise BadSettings(
                f"the tokens {seen[token.sha256]!r} and {token.name!r} are one: make a second, or "
                "give the first all the roles"
            )
        seen[token.sha256] = token.name
