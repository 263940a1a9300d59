"""Reading, writing and watching through faults, for tests that make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.settle import Swap, read_key, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    CreatedAt,
    Event,
    Item,
    OutcomeUnknown,
    Put,
    Removed,
    Revision,
    Store,
    StoreUnavailable,
)

KEYS = Keys("faults")


async def put(store: Store, key: str, value: bytes = b"v") -> Revision:
    return (await store.commit([], [Put(key, value)])).revision


async def put_through(store: Store, key: str) -> Revision:
    """Create a key, through failures."""
    while True:
        try:
            settled = await settle(store, [Swap(CreatedAt(key, ABSENT), Put(key, b"v"))])
        except (StoreUnavailable, OutcomeUnknown):
            continue
        assert settled.won
        return settled.revision


async def read_through(store: Store, key: str) -> Item | None:
    while True:
        try:
            return await read_key(store, key)
        except StoreUnavailable:
            continue


async def write_until(store: Store, stop: asyncio.Event) -> Revision:
    """Write one key after the other, through every failure, until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            await put(store, f"{KEYS.prefix}{number:05d}")
        except (StoreUnavailable, OutcomeUnknown):
            await asyncio.sleep(0.02)
    while True:
        try:
            return await put(store, f"{KEYS.prefix}last")
        except (StoreUnavailable, OutcomeUnknown):
            await asyncio.sleep(0.02)


def told(event: Event) -> tuple[str, Revision]:
    if isinstance(event, Removed):
        return event.key, event.revision
    return event.item.key, event.item.mod_revision


async def collect(
    store: Store, after: Revision, last: Revision, seen: list[tuple[str, Revision]]
) -> None:
    """Append what a watch tells, until revision ``last``."""
    async with aclosing(store.watch(KEYS.prefix, after)) as watch:
        async for events in watch:
            seen += [told(event) for event in events.events]
            if events.revision >= last:
                return


async def history(store: Store, after: Revision, last: Revision) -> list[tuple[str, Revision]]:
    seen: list[tuple[str, Revision]] = []
    await collect(store, after, last, seen)
    return seen


async def until(state: Callable[[], bool]) -> None:
    """Wait for a state. The caller bounds it."""
    while True:
        if state():
            return
        await asyncio.sleep(0.01)


async def exhaust(generator: AsyncGenerator[object]) -> None:
    async for _ in generator:
        pass
