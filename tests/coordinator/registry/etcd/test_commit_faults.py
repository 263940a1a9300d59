"""Commits whose answers get lost, and calls to an etcd that is frozen or gone."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from etcd_process import EtcdProcess, free_port
from shoal_coordinator.registry.etcd import EtcdSettings, EtcdStore, open_store
from shoal_coordinator.registry.operations.settle import Swap, read_key, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    Changed,
    ModifiedAt,
    OutcomeUnknown,
    Put,
    Revision,
    StoreUnavailable,
)
from tcp_proxy import TcpProxy
from through_faults import (
    KEYS,
    put,
    read_through,
)

pytestmark = pytest.mark.etcd


async def test_every_call_to_a_frozen_etcd_ends_by_its_deadline(
    own_etcd: EtcdProcess, direct: EtcdStore, quick: EtcdSettings
) -> None:
    before = await put(direct, KEYS.config, b"before")
    keeper = direct.lease_keeper()
    lease = await direct.grant_lease(30)
    assert await asyncio.to_thread(keeper.keep_alive, lease.id, 1.0) == 30
    own_etcd.freeze()
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await direct.commit([ModifiedAt(KEYS.config, before)], [Put(KEYS.config, b"ours")])
    assert time.monotonic() - started < 2 * quick.call_timeout_seconds
    for call in (direct.read(KEYS.prefix), direct.grant_lease(5), direct.revoke_lease(lease.id)):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await call
        assert time.monotonic() - started < quick.give_up_seconds + quick.call_timeout_seconds
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(keeper.keep_alive, lease.id, 0.5)
    assert time.monotonic() - started < 1.0

    # A commit that waited inside etcd is applied when it thaws; settling finds out.
    own_etcd.thaw()
    standing = await read_key(direct, KEYS.config)
    assert standing is not None
    assert standing.value in {b"before", b"ours"}
    expected = standing.mod_revision
    own_etcd.freeze()
    settling = asyncio.create_task(
        settle(direct, [Swap(ModifiedAt(KEYS.config, expected), Put(KEYS.config, b"settled"))])
    )
    await asyncio.wait({settling}, timeout=1.5 * quick.call_timeout_seconds)
    own_etcd.thaw()
    settled = await settling
    item = await read_key(direct, KEYS.config)
    assert item is not None
    if item.value == b"settled":
        assert (settled.won, settled.revision) == (True, item.mod_revision)
    else:  # the first commit was late indeed
        assert (settled.won, item.value) == (False, b"ours")
    keeper.close()


async def test_compare_and_swaps_are_counted_exactly_though_answers_get_lost(
    proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore
) -> None:
    """Four contend for one key; what each was told is compared with what was written.

    A write whose answer was lost, and that was overwritten before it was read back,
    is told as lost, but not for certain. Nothing else may differ.
    """
    start = (await direct.read(KEYS.prefix)).revision
    told_won: dict[bytes, Revision] = {}
    told_uncertain: set[bytes] = set()

    async def work(me: int) -> None:
        for turn in range(30):
            standing = await read_through(cuttable, KEYS.config)
            expected = ABSENT if standing is None else standing.mod_revision
            if (turn + me) % 5 == 0:
                proxy.swallow_answers()
            value = b"%d/%d" % (me, turn)
            swap = Swap(ModifiedAt(KEYS.config, expected), Put(KEYS.config, value))
            try:
                settled = await settle(cuttable, [swap])
            except StoreUnavailable:
                continue  # certainly not applied
            if settled.won:
                told_won[value] = settled.revision
            elif not settled.certain:
                told_uncertain.add(value)

    async with asyncio.timeout(90):
        await asyncio.gather(*(work(me) for me in range(4)))

    assert proxy.swallowed >= 5, "answers were lost indeed"
    written: dict[bytes, Revision] = {}
    last = (await direct.read(KEYS.prefix)).revision
    async with aclosing(direct.watch(KEYS.prefix, start)) as watch:
        async for events in watch:
            for event in events.events:
                assert isinstance(event, Changed)
                assert event.item.value not in written, "nothing was written twice"
                written[event.item.value] = event.item.mod_revision
            if events.revision >= last:
                break
    assert told_won.items() <= written.items()
    assert written.keys() - told_won.keys() <= told_uncertain
    assert len(told_won) >= 30


async def test_swaps_of_keys_of_ones_own_are_counted_exactly(
    proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore
) -> None:
    """As a take-over is: nobody else writes the record of who won it."""

    async def work(me: int) -> None:
        key, expected = f"{KEYS.prefix}{me}", ABSENT
        for turn in range(25):
            if (turn + me) % 3 == 0:
                proxy.swallow_answers()
            swap = Swap(ModifiedAt(key, expected), Put(key, b"%d" % turn))
            while True:
                try:
                    settled = await settle(cuttable, [swap])
                    break
                except StoreUnavailable:
                    continue
            assert settled.won
            assert settled.revision > expected
            expected = settled.revision

    start = (await direct.read(KEYS.prefix)).revision
    async with asyncio.timeout(90):
        await asyncio.gather(*(work(me) for me in range(4)))
    assert proxy.swallowed >= 10, "answers were lost indeed"
    assert (await direct.read(KEYS.prefix)).revision == start + 100, "each was written once"


async def test_an_answer_that_is_lost_is_unknown_and_the_commit_stands(
    proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore
) -> None:
    before = await put(cuttable, KEYS.config, b"before")
    outcomes = set()
    for turn in range(12):
        item = await read_key(direct, KEYS.config)
        assert item is not None
        await cuttable.read(KEYS.prefix)
        proxy.swallow_answers()
        with pytest.raises(OutcomeUnknown):
            await cuttable.commit(
                [ModifiedAt(KEYS.config, item.mod_revision)], [Put(KEYS.config, b"%d" % turn)]
            )
        stands = await read_key(direct, KEYS.config)
        assert stands is not None
        outcomes.add(stands.value == b"%d" % turn)
    assert True in outcomes, "some of them were applied"
    assert before < (await direct.read(KEYS.prefix)).revision


async def test_a_commit_that_found_nobody_was_certainly_not_applied(
    proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore, quick: EtcdSettings
) -> None:
    await cuttable.read(KEYS.prefix)
    before = (await direct.read(KEYS.prefix)).revision
    proxy.refuse(refusing=True)
    # Until gRPC has noticed the connection's end, a commit is sent into it: unknown is
    # right then. From there on nothing is sent, and that is said.
    said: list[str] = []
    async with asyncio.timeout(20):
        while not await certainly_not_applied(cuttable, said):
            pass
    assert await certainly_not_applied(cuttable, said), said
    assert await certainly_not_applied(cuttable, said), said
    proxy.refuse(refusing=False)
    async with asyncio.timeout(quick.give_up_seconds):
        await put(cuttable, KEYS.config)
    assert (await direct.read(KEYS.prefix)).revision == before + 1


async def certainly_not_applied(store: EtcdStore, said: list[str]) -> bool:
    """Commit, which must fail; whether it failed for certain. Appends what it said."""
    with pytest.raises((StoreUnavailable, OutcomeUnknown)) as caught:
        await store.commit([], [Put(KEYS.config, b"x")])
    said.append(str(caught.value))
    return caught.type is StoreUnavailable


async def test_a_missing_etcd_is_said_in_one_sentence(quick: EtcdSettings) -> None:
    port = free_port()
    store = open_store(f"http://127.0.0.1:{port}", quick)
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port} is not reachable"):
        await store.read(KEYS.prefix)
    await store.close()
