"""The access file and the token of a process, while they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shoal_coordinator.access.bearer import digest_of
from shoal_coordinator.access.policy import Operation
from shoal_coordinator.access.running import RunningAccess, running_access
from shoal_coordinator.process.errors import BadSettings

TOKEN = "t" * 32
WITHIN_SECONDS = 10


def policy(operation: str) -> str:
    return (
        f'[[role]]\nname = "r"\noperations = ["{operation}"]\n'
        f'[[token]]\nname = "t"\nsha256 = "{digest_of(TOKEN).hex()}"\nroles = ["r"]\n'
    )


async def test_what_changes_is_told_and_what_is_bad_changes_nothing(tmp_path: Path) -> None:
    access, token = tmp_path / "access.toml", tmp_path / "token"
    access.write_text(policy("admin"))
    token.write_text(f"{TOKEN}\n")
    told: asyncio.Queue[RunningAccess] = asyncio.Queue()
    async with running_access(access, token, every_seconds=0.01) as running:
        running.told.append(told.put_nowait)

        def may(operation: Operation) -> bool:
            assert running.access is not None
            rights = running.access.rights(f"Bearer {TOKEN}", ())
            return rights is not None and rights.may(operation)

        assert running.token == TOKEN
        assert TOKEN not in repr(running)
        assert may(Operation.ADMIN)
        access.write_text("nonsense")
        token.write_text("u" * 32)
        await asyncio.wait_for(told.get(), WITHIN_SECONDS)
        assert running.token == "u" * 32
        assert may(Operation.ADMIN)
        access.write_text(policy("inspect"))
        await asyncio.wait_for(told.get(), WITHIN_SECONDS)
        assert not may(Operation.ADMIN)
        assert may(Operation.INSPECT)


async def test_without_files_everybody_may_do_everything() -> None:
    async with running_access(None) as running:
        assert (running.access, running.policy, running.token) == (None, None, None)


@pytest.mark.parametrize("content", ["short", "two words of some length and more", "ä" * 40, ""])
async def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    with pytest.raises(BadSettings, match="one token and nothing else") as refused:
        async with running_access(None, token):
            pass
    assert not content or content not in str(refused.value)
