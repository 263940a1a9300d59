"""Commit a write and find out what became of it, also when the answer is lost.

Every write here is guarded by the revision of the very key it writes. So, when
an answer is lost, the key is read back, and what stands decides (``verdict``):

- our value, at a revision past the guard's: the write won;
- still the revision of the guard: the write has not landed, but may be on its way
  yet. The same commit is sent again: of the two at most one can win, because the
  first to land moves the revision that both compare;
- anything else: somebody else's write stands, and ours is lost, or won and was
  overwritten since (then ``Settled.certain`` is false).

This recognises a write by its value, so values that must be told apart carry
something random (a copy id, an incarnation) or are bound to the writer's lease.

Bounded by ``SETTLE_SECONDS``; past it OutcomeUnknown is raised after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from shoal_coordinator.registry.port import (
    ABSENT,
    Change,
    Committed,
    CreatedAt,
    Delete,
    Guard,
    Item,
    OutcomeUnknown,
    Put,
    Revision,
    Store,
    StoreUnavailable,
)

SETTLE_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.8


class Verdict(Enum):
    """What a key that was read back says of a write whose answer was lost."""

    WON = "won"
    NOT_YET = "not yet"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Swap:
    """One key to be changed, and the guard on that same key."""

    guard: Guard
    change: Change

    def __post_init__(self) -> None:
        assert self.guard.key == self.change.key


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of a write: the revision it stands at, or the guards that failed.

    ``found`` are the guarded keys as they stand, when it was lost. Where it was not
    ``certain``, the write may have won before what stands now was written over it.
    """

    won: bool
    revision: Revision
    found: tuple[Item, ...]
    failed: tuple[Guard, ...]
    certain: bool = True

    def item(self, key: str) -> Item | None:
        return next((item for item in self.found if item.key == key), None)


def holds(guard: Guard, item: Item | None) -> bool:
    """Whether a guard holds, given its key as it stands."""
    if item is None:
        return guard.revision == ABSENT
    if isinstance(guard, CreatedAt):
        return item.create_revision == guard.revision
    return item.mod_revision == guard.revision


def verdict(swap: Swap, stands: Item | None) -> Verdict:
    """Decide from what stands whether a write whose answer was lost has won."""
    if isinstance(swap.change, Delete):
        if stands is None:
            return Verdict.WON
        return Verdict.NOT_YET if holds(swap.guard, stands) else Verdict.LOST
    if stands is not None and is_written(swap, swap.change, stands):
        return Verdict.WON
    return Verdict.NOT_YET if holds(swap.guard, stands) else Verdict.LOST


def is_written(swap: Swap, put: Put, stands: Item) -> bool:
    """Whether what stands is what ``put`` writes, and the guard's revision is past."""
    return (
        stands.value == put.value
        and stands.lease == put.lease
        and stands.mod_revision > swap.guard.revision
    )


async def settle(
    store: Store,
    swaps: Sequence[Swap],
    guards: Sequence[Guard] = (),
    within_seconds: float = SETTLE_SECONDS,
) -> Settled:
    """Apply all ``swaps`` or none, if all their guards and ``guards`` hold.

    Raises StoreUnavailable when certainly nothing was applied, LeaseLost, and
    OutcomeUnknown when the outcome could not be found out within the bound.
    """
    every_guard = tuple(dict.fromkeys((*(swap.guard for swap in swaps), *guards)))
    try:
        return _settled(every_guard, await _commit(store, every_guard, swaps))
    except OutcomeUnknown as unknown:
        try:
            async with asyncio.timeout(within_seconds):
                return await _read_back(store, every_guard, swaps)
        except TimeoutError:
            raise unknown from None


async def _commit(store: Store, guards: Sequence[Guard], swaps: Sequence[Swap]) -> Committed:
    keys = tuple(dict.fromkeys(guard.key for guard in guards))
    return await store.commit(guards, [swap.change for swap in swaps], on_loss_read=keys)


def _settled(guards: Sequence[Guard], committed: Committed) -> Settled:
    if committed.won:
        return Settled(won=True, revision=committed.revision, found=(), failed=())
    items = {item.key: item for item in committed.found}
    failed = tuple(guard for guard in guards if not holds(guard, items.get(guard.key)))
    assert failed, "a commit was lost though every guard held"
    return Settled(won=False, revision=committed.revision, found=committed.found, failed=failed)


async def _read_back(store: Store, guards: Sequence[Guard], swaps: Sequence[Swap]) -> Settled:
    """Read back, and repeat the commit while it has not landed. The caller bounds this."""
    pause = _PAUSE_SECONDS
    # All swaps are applied at once, so the first one tells for all.
    first = swaps[0]
    while True:
        try:
            stands = await read_key(store, first.change.key)
            match verdict(first, stands):
                case Verdict.WON:
                    revision = ABSENT if stands is None else stands.mod_revision
                    return Settled(won=True, revision=revision, found=(), failed=())
                case Verdict.LOST:
                    return _overwritten(first, stands)
                case Verdict.NOT_YET:
                    committed = await _commit(store, guards, swaps)
                    if committed.won or not _landed_meanwhile(first, committed):
                        return _settled(guards, committed)
        except (OutcomeUnknown, StoreUnavailable):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _landed_meanwhile(swap: Swap, lost: Committed) -> bool:
    """Whether the commit that lost found its key moved, perhaps by its own first copy."""
    stands = next((item for item in lost.found if item.key == swap.change.key), None)
    return verdict(swap, stands) is not Verdict.NOT_YET


def _overwritten(swap: Swap, stands: Item | None) -> Settled:
    found = () if stands is None else (stands,)
    return Settled(won=False, revision=ABSENT, found=found, failed=(swap.guard,), certain=False)


async def read_key(store: Store, key: str) -> Item | None:
    """Read one key. A key that merely starts with it is not it."""
    reading = await store.read(key)
    return next((item for item in reading.items if item.key == key), None)
