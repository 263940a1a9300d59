"""Changing records as their primary: nothing is taken for certain that is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from cut_off_store import CutOffStore
from registry_scenes import live, served_by
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.records import NodeId
from shoal_node.actions import ChangeAsPrimary
from shoal_node.local import Local
from shoal_node.record_change import change_records
from virtual_time import VirtualLoop, run_virtually

KEYS = Keys("t")
COUNT = 3


class Scene:
    def __init__(self) -> None:
        self.store = CutOffStore()

    async def begin(self) -> None:
        self.own = await live(self.store, KEYS, "a")
        self.held = await served_by(self.store, KEYS, self.own, COUNT)
        self.local = Local(NodeId("a"), self.own.registration.incarnation)
        self.local.registered(self.own)

    async def change(self) -> list[bool]:
        actions = [
            ChangeAsPrimary(it, self.own, replace(it.record, handoff_to=NodeId("b")), "a test")
            for it in self.held
        ]
        return await change_records(actions, self.store, KEYS, self.local)

    def written(self) -> set[NodeId | None]:
        return {it.record.handoff_to for it in self.local.written.values()}


def tell(story: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run(_loop: VirtualLoop) -> None:
        scene = Scene()
        await scene.begin()
        await story(scene)

    run_virtually(run)


def test_what_was_changed_is_known_at_once() -> None:
    async def story(scene: Scene) -> None:
        assert await scene.change() == [True] * COUNT
        assert scene.written() == {NodeId("b")}

    tell(story)


def test_what_was_certainly_not_written_ends_the_attempt() -> None:
    async def story(scene: Scene) -> None:
        scene.store.is_cut_off = True
        assert await scene.change() == [False] * COUNT
        assert scene.local.written == {}

    tell(story)


def test_in_doubt_nothing_is_certain_until_etcd_has_answered() -> None:
    async def story(scene: Scene) -> None:
        # The commit wins, and nobody tells. Later ones are certainly not written.
        scene.store.cut_off_after_commit = True
        changing = asyncio.create_task(scene.change())
        await asyncio.sleep(60)
        assert not changing.done(), "what it would make true is waited for until then"
        scene.store.cut_off_after_commit = scene.store.is_cut_off = False
        await changing
        assert scene.written() == {NodeId("b")}

    tell(story)


def test_the_doubt_ends_with_the_registration() -> None:
    async def story(scene: Scene) -> None:
        scene.store.cut_off_after_commit = True
        changing = asyncio.create_task(scene.change())
        await asyncio.sleep(30)
        scene.local.lost_registration()
        assert await changing == [False] * COUNT

    tell(story)
