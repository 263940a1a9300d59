"""``shoal access``: tokens for those who may do something."""

from __future__ import annotations

import click

_BYTES = 32
_PREFIX = "shoal_"
"""By which those who look for secrets in the wrong places know it."""


@click.group(short_help="Make tokens for those who may do something.")
def access() -> None:
    """Make tokens for those who may do something."""


@access.command(short_help="Make a new random token.")
@click.argument("name")
@click.option(
    "--role", "roles", multiple=True, required=True, help="A role that it has; may be repeated."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the token to this new file, for its owner alone to read, and do not print it.",
)
def token(name: str, roles: tuple[str, ...], out: str | None) -> None:
    """Make a new random token for NAME, and print the lines of it for the access file.

    These hold its SHA-256 alone: the token is in no other place than where you put it.
    """
    import hashlib
    import secrets

    made = _PREFIX + secrets.token_urlsafe(_BYTES)
    if out is None:
        click.echo(f"{made}\n")
    else:
        _write(out, made)
    click.echo("[[token]]")
    click.echo(f"name = {_toml(name)}")
    click.echo(f'sha256 = "{hashlib.sha256(made.encode()).hexdigest()}"')
    click.echo(f"roles = [{', '.join(map(_toml, roles))}]")


def _write(path: str, text: str) -> None:
    import os

    try:
        # Never over another one, and never for others to read.
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.BadParameter(
            f"{path} cannot be made: {error.strerror}", param_hint="--out"
        ) from error
    with os.fdopen(opened, "w", encoding="ascii") as file:
        file.write(f"{text}\n")


def _toml(text: str) -> str:
    import json

    # A string of JSON is one of TOML, but for what is above U+FFFF when it is escaped.
    return json.dumps(text, ensure_ascii=False)
