"""The access file of a process from its start to its end, read anew while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from shoal_coordinator.access.bearer import read_token
from shoal_coordinator.access.policy import Policy
from shoal_coordinator.access.reading import FLAG, read_policy
from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.reloaded import EVERY_SECONDS, Reloaded

access_option = click.option(
    FLAG,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may do what: roles, and the tokens and certificates that have them. Read anew when "
    "it changes. Left out, everybody may do everything.",
)
"""The flag, which is the same for every program."""

_TOKEN_FLAG = "--peer-token-file"  # noqa: S105  a flag
peer_token_option = click.option(
    _TOKEN_FLAG,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The token that this program shows to others of the cluster, where they know it by that "
    "and not by its certificate.",
)


@dataclass(slots=True)
class RunningAccess:
    """``policy``, ``access``, ``token``: as they stand now, None where there is none.

    What is ``told`` is called in the event loop whenever one of them has changed.
    """

    policy: Policy | None = None
    access: Access | None = None
    token: str | None = field(default=None, repr=False)
    told: list[Callable[[RunningAccess], None]] = field(default_factory=list)

    def take(self, policy: Policy) -> None:
        """Judge by this one from now on."""
        self.policy, self.access = policy, Access(policy)
        self._tell()

    def show(self, token: str) -> None:
        """Show this one to others from now on."""
        self.token = token
        self._tell()

    def _tell(self) -> None:
        for told in self.told:
            told(self)


@contextlib.asynccontextmanager
async def running_access(
    access: Path | None, token: Path | None = None, every_seconds: float = EVERY_SECONDS
) -> AsyncIterator[RunningAccess]:
    """Read the files, and look at them again every so often. Raises BadSettings."""
    running = RunningAccess()
    keeping: list[asyncio.Task[None]] = []
    if access is not None:
        policies = Reloaded("who may do what", lambda: read_policy(access))
        running.take(policies.content)
        keeping.append(asyncio.create_task(policies.keep(running.take, every_seconds)))
    if token is not None:
        tokens = Reloaded("the token for others", lambda: read_token(token, _TOKEN_FLAG))
        running.show(tokens.content)
        keeping.append(asyncio.create_task(tokens.keep(running.show, every_seconds)))
    try:
        yield running
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
