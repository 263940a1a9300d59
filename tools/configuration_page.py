"""Write the tables of docs/configuration.md from the settings that the programs really have.

python tools/configuration_page.py            write them
python tools/configuration_page.py --check    exit 1 if what is committed differs
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import click

from shoal.cli.commands.config import set_ as config_set
from shoal_coordinator.main import main as coordinator
from shoal_coordinator.process.configuration import ENVIRONMENT_PREFIX, names
from shoal_node.main import main as node

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
_TABLE = re.compile(r"(<!-- settings of (?P<of>[a-z -]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page(written: str) -> str:
    """Return the page as it should be: what is written, with new tables."""
    tables = {
        "shoal-node": _table(node),
        "shoal-coordinator": _table(coordinator),
        "the cluster": _settable(),
    }
    return _TABLE.sub(lambda found: found[1] + tables[found["of"]] + found[3], written)


def _settable() -> str:
    """Return what ``shoal config set`` takes."""
    name = next(parameter.type for parameter in config_set.params if parameter.name == "name")
    assert isinstance(name, click.Choice)
    return ", ".join(f"`{choice}`" for choice in name.choices) + ".\n"


def _table(command: click.Command) -> str:
    lines = [
        "| flag | environment | in the file | default | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    known = names(command)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name in known.values():
            flag = max(parameter.opts, key=len)
            environment = f"{ENVIRONMENT_PREFIX}_{str(parameter.name).upper()}"
            cells = (
                f"`{flag}{_metavar(parameter)}`",
                f"`{environment}`",
                f"`{flag.removeprefix('--')}`",
                _default(parameter),
                str(parameter.help),
            )
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _metavar(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "|".join(option.type.choices)
    return f" {option.metavar or option.type.name.upper()}"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return "off"
    is_told = isinstance(option.default, str | int | float) and option.default != ""
    return f"`{_plain(option.default)}`" if is_told else ""


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write the tables, or compare them with what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    written = PAGE.read_text("utf-8")
    wanted = page(written)
    if not is_check:
        PAGE.write_text(wanted, "utf-8")
    elif written != wanted:
        sys.exit("docs/configuration.md is not what the programs say: run `make configuration`")


if __name__ == "__main__":
    main()
