"""A bell that rings in an event loop."""

from __future__ import annotations

import asyncio

from shoal_node.bell import heard
from shoal_node.bell_memory import Bell


async def is_set(event: asyncio.Event) -> bool:
    """Whether it is within the next rounds of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)
    return event.is_set()


async def story() -> None:
    bell = Bell()
    bell.tell(0)
    with heard(bell.heard_at()) as rung:
        assert await is_set(rung), "for what was before"
        assert bell.read() == 1
        rung.clear()
        assert not await is_set(rung), "what was heard is not heard again"
        bell.tell(0)
        assert await is_set(rung)
        rung.clear()
        bell.tell(0)
        assert not await is_set(rung), "nobody asked since"
        assert bell.read() == 3
        bell.tell(0)
        assert await is_set(rung)
    rung.clear()
    bell.read()
    bell.tell(0)
    assert not await is_set(rung), "nobody listens any more"


def test_it_rings_once_until_somebody_asks() -> None:
    asyncio.run(story())
