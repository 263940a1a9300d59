"""Where a setting comes from: a flag, else ``SHOAL_*``, else a TOML file, else its default.

The file names settings as flags do, without the dashes. What stands at the top is for every
program that reads the file; a table named as the program is for it alone, and comes first:

    etcd = "http://10.0.0.1:2379,http://10.0.0.2:2379"

    [node]
    listen = "0.0.0.0:7400"
    maxmemory = "8GiB"

    [coordinator]
    listen = "0.0.0.0:7300"

A name that the program does not know is refused, wherever it stands: a setting that was
misspelt must not be silently a default.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from shoal_coordinator.process.errors import BadSettings

PROGRAMS: Final = ("node", "coordinator")
ENVIRONMENT_PREFIX: Final = "SHOAL"
_Command = TypeVar("_Command", bound=Callable[..., Any])
_NOT_IN_A_FILE = frozenset({"config", "help", "version"})

CONTEXT_SETTINGS: Final[dict[str, Any]] = {
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "auto_envvar_prefix": ENVIRONMENT_PREFIX,
}
"""For the command of a program, beside ``config_option``."""


def config_option(program: str) -> Callable[[_Command], _Command]:
    """``--config FILE``, read before anything else. ``program`` is one of ``PROGRAMS``."""

    def read(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
        if path is not None:
            try:
                context.default_map = defaults_from(path, program, names(context.command))
            except BadSettings as error:
                raise click.UsageError(str(error)) from error

    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=read,
        help="Take settings that neither a flag nor the environment gives from this TOML file.",
    )


def names(command: click.Command) -> dict[str, str]:
    """Return the parameter of each setting of a command, by the name of its flag."""
    flags = {
        max(parameter.opts, key=len).removeprefix("--"): str(parameter.name)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    return {flag: name for flag, name in flags.items() if flag not in _NOT_IN_A_FILE}


def defaults_from(path: Path, program: str, known: Mapping[str, str]) -> dict[str, str]:
    """Read a file: what it says of the parameters of a program.

    ``known`` gives the parameter of each setting. Raises BadSettings.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not TOML: {error}") from error
    own = told.get(program, {})
    if not isinstance(own, dict):
        raise BadSettings(f"{path}: {program} has to be a table, [{program}]")
    shared = {name: value for name, value in told.items() if name not in PROGRAMS}
    return {
        known[name]: _text(path, name, value)
        for place, settings in (("at the top", shared), (f"under [{program}]", own))
        for name, value in settings.items()
        if _is_known(path, place, name, program, known)
    }


def _is_known(path: Path, place: str, name: str, program: str, known: Mapping[str, str]) -> bool:
    if name in known:
        return True
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Is {near[0]} meant?" if near else ""
    raise BadSettings(
        f"{path}: {name} {place} is no setting of the {program}.{hint} What is for another "
        "program alone stands in that one's table"
    )


def _text(path: Path, name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadSettings(f"{path}: {name} has to be a text, a number, or true or false")
