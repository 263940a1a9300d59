"""A click group that imports a command only when it is called.

The one-line help of each command stands beside its address, so that the group's
help needs no import either. A test holds the two texts together.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command stands (``module:attribute``) and what its help says in one line."""

    address: str
    short_help: str

    def load(self) -> click.Command:
        module, _, attribute = self.address.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), self.address
        return command


class LazyGroup(click.Group):
    """Lists its commands in the order given."""

    def __init__(self, *, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(**settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*self.lazy]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        command = self.lazy.get(cmd_name)
        return None if command is None else command.load()

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.short_help) for name, lazy in self.lazy.items()])
