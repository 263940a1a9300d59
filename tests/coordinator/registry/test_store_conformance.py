"""What every store must do: run on the one in memory and on a real etcd."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import (
    ABSENT,
    NO_LEASE,
    Changed,
    Compacted,
    CreatedAt,
    Delete,
    Event,
    Events,
    LeaseId,
    LeaseLost,
    ModifiedAt,
    Put,
    Removed,
    Revision,
    Store,
)

UNKNOWN_LEASE = LeaseId(0x7FFF_0000_1111)


async def put(store: Store, key: str, value: bytes = b"v", lease: LeaseId = NO_LEASE) -> Revision:
    committed = await store.commit([], [Put(key, value, lease)])
    assert committed.won
    return committed.revision


async def collect(store: Store, prefix: str, after: Revision, count: int) -> list[Event]:
    """The next ``count`` events. Checks that batches hold whole revisions, in order."""
    seen: list[Event] = []
    last = after
    async with asyncio.timeout(20), aclosing(store.watch(prefix, after)) as watch:
        async for events in watch:
            assert events.revision >= last
            assert all(last < revision_of(event) <= events.revision for event in events.events)
            last = events.revision
            seen += events.events
            if len(seen) >= count:
                break
    assert len(seen) == count
    return seen


def revision_of(event: Event) -> Revision:
    return event.revision if isinstance(event, Removed) else event.item.mod_revision


def key_of(event: Event) -> str:
    return event.key if isinstance(event, Removed) else event.item.key


async def test_a_reading_holds_what_starts_with_the_prefix_in_order(
    store: Store, keys: Keys
) -> None:
    names = [f"{keys.prefix}{number:02d}" for number in range(20)]
    for name in reversed(names):
        await put(store, name, name.encode())
    await put(store, keys.prefix[:-1] + "0outside")

    reading = await store.read(keys.prefix)

    assert [item.key for item in reading.items] == names
    assert [item.value for item in reading.items] == [name.encode() for name in names]
    assert reading.revision >= max(item.mod_revision for item in reading.items)


async def test_a_reading_of_nothing_is_empty(store: Store, keys: Keys) -> None:
    reading = await store.read(keys.prefix)
    assert reading.items == ()
    assert reading.revision >= 1


async def test_only_one_creates_a_key(store: Store, keys: Keys) -> None:
    first = await store.commit([CreatedAt(keys.config, ABSENT)], [Put(keys.config, b"1")])
    second = await store.commit(
        [ModifiedAt(keys.config, ABSENT)], [Put(keys.config, b"2")], [keys.config, keys.leader]
    )

    assert first.won
    assert first.found == ()
    assert not second.won
    (found,) = second.found
    assert (found.key, found.value) == (keys.config, b"1")
    assert (found.create_revision, found.mod_revision) == (first.revision, first.revision)


async def test_a_write_moves_the_mod_revision_and_keeps_the_create_revision(
    store: Store, keys: Keys
) -> None:
    created = await put(store, keys.config, b"1")
    swapped = await store.commit([ModifiedAt(keys.config, created)], [Put(keys.config, b"2")])
    stale = await store.commit([ModifiedAt(keys.config, created)], [Put(keys.config, b"3")])
    same_life = await store.commit([CreatedAt(keys.config, created)], [Put(keys.config, b"4")])

    assert swapped.won
    assert not stale.won
    assert same_life.won
    (item,) = (await store.read(keys.config)).items
    assert item.value == b"4"
    assert (item.create_revision, item.mod_revision) == (created, same_life.revision)


async def test_a_key_created_again_is_another(store: Store, keys: Keys) -> None:
    first = await put(store, keys.config)
    assert (await store.commit([CreatedAt(keys.config, first)], [Delete(keys.config)])).won
    second = await put(store, keys.config)

    assert second > first
    assert not (await store.commit([CreatedAt(keys.config, first)], [Delete(keys.config)])).won
    assert (await store.commit([CreatedAt(keys.config, second)], [Delete(keys.config)])).won


async def test_a_commit_is_all_or_nothing(store: Store, keys: Keys) -> None:
    a, b = keys.prefix + "a", keys.prefix + "b"
    together = await store.commit(
        [CreatedAt(a, ABSENT), CreatedAt(b, ABSENT)], [Put(a, b"1"), Put(b, b"1")]
    )
    lost = await store.commit(
        [ModifiedAt(a, together.revision), ModifiedAt(b, Revision(together.revision + 1))],
        [Put(a, b"2"), Delete(b)],
        [b, a],
    )

    assert together.won
    assert not lost.won
    assert [item.key for item in lost.found] == [b, a]
    items = (await store.read(keys.prefix)).items
    assert [item.value for item in items] == [b"1", b"1"]
    assert {item.mod_revision for item in items} == {together.revision}


async def test_deleting_what_is_not_there_changes_nothing(store: Store, keys: Keys) -> None:
    before = (await store.read(keys.prefix)).revision
    committed = await store.commit([], [Delete(keys.config)])
    assert committed.won
    assert committed.revision == before


async def test_a_put_under_an_unknown_lease_applies_nothing(store: Store, keys: Keys) -> None:
    with pytest.raises(LeaseLost):
        await store.commit([], [Put(keys.config, b"1"), Put(keys.leader, b"1", UNKNOWN_LEASE)])
    assert (await store.read(keys.prefix)).items == ()


async def test_a_key_goes_when_its_lease_runs_out(world, store: Store, keys: Keys) -> None:
    lease = await store.grant_lease(1)
    assert lease.ttl_seconds >= 1
    revision = await put(store, keys.leader, b"me", lease.id)
    kept = await put(store, keys.config)
    assert (await store.read(keys.leader)).items[0].lease == lease.id

    watching = asyncio.create_task(collect(store, keys.prefix, kept, 1))
    await world.elapse(lease.ttl_seconds)

    (event,) = await watching
    assert event == Removed(keys.leader, revision_of(event))
    assert revision_of(event) > revision
    assert [item.key for item in (await store.read(keys.prefix)).items] == [keys.config]
    keeper = store.lease_keeper()
    with pytest.raises(LeaseLost):
        await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0)
    keeper.close()


async def test_a_lease_that_is_kept_does_not_run_out(world, store: Store, keys: Keys) -> None:
    lease = await store.grant_lease(2)
    await put(store, keys.leader, b"me", lease.id)
    keeper = store.lease_keeper()
    for _ in range(3):
        assert await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0) == lease.ttl_seconds
        await world.elapse(1)
    keeper.close()
    assert (await store.read(keys.leader)).items != ()


async def test_a_revoked_lease_takes_its_keys_along_at_one_revision(
    store: Store, keys: Keys
) -> None:
    lease = await store.grant_lease(30)
    before = await put(store, keys.prefix + "a", b"", lease.id)
    await put(store, keys.prefix + "b", b"", lease.id)
    await store.revoke_lease(lease.id)

    events = await collect(store, keys.prefix, before, 3)

    assert [type(event) for event in events] == [Changed, Removed, Removed]
    assert [key_of(event) for event in events[1:]] == [keys.prefix + "a", keys.prefix + "b"]
    assert len({revision_of(event) for event in events[1:]}) == 1


async def test_revoking_a_lease_that_is_gone_is_no_error(store: Store) -> None:
    lease = await store.grant_lease(30)
    await store.revoke_lease(lease.id)
    await store.revoke_lease(lease.id)


async def test_a_put_without_a_lease_frees_the_key_of_it(store: Store, keys: Keys) -> None:
    lease = await store.grant_lease(30)
    other = await store.grant_lease(30)
    await put(store, keys.prefix + "freed", b"", lease.id)
    await put(store, keys.prefix + "moved", b"", lease.id)
    await put(store, keys.prefix + "freed")
    await put(store, keys.prefix + "moved", b"", other.id)

    await store.revoke_lease(lease.id)

    items = (await store.read(keys.prefix)).items
    assert [(item.key, item.lease) for item in items] == [
        (keys.prefix + "freed", NO_LEASE),
        (keys.prefix + "moved", other.id),
    ]
    await store.revoke_lease(other.id)


async def test_a_watch_tells_the_past_and_goes_on(store: Store, keys: Keys) -> None:
    start = (await store.read(keys.prefix)).revision
    past = [await put(store, f"{keys.prefix}{number}") for number in range(3)]
    watching = asyncio.create_task(collect(store, keys.prefix, start, 5))
    past.append(await put(store, keys.prefix + "1"))
    past.append((await store.commit([], [Delete(keys.prefix + "2")])).revision)

    events = await watching

    assert [revision_of(event) for event in events] == past
    assert events[-1] == Removed(keys.prefix + "2", past[-1])
    updated = events[3]
    assert isinstance(updated, Changed)
    assert (updated.item.create_revision, updated.item.mod_revision) == (past[1], past[3])


async def test_a_watch_tells_only_its_prefix_and_only_what_came_after(
    store: Store, keys: Keys
) -> None:
    await put(store, keys.prefix + "a/before")
    start = await put(store, keys.prefix + "a/at")
    await put(store, keys.prefix + "b/other")
    after = await put(store, keys.prefix + "a/after")

    events = await collect(store, keys.prefix + "a/", start, 1)

    assert [key_of(event) for event in events] == [keys.prefix + "a/after"]
    assert revision_of(events[0]) == after


async def test_many_watches_see_the_same(world, store: Store, keys: Keys) -> None:
    start = (await store.read(keys.prefix)).revision
    stores = [store, world.another_store()]
    watching = [asyncio.create_task(collect(s, keys.prefix, start, 30)) for s in stores * 2]
    for number in range(30):
        await put(stores[number % 2], f"{keys.prefix}{number:02d}")

    first, *others = await asyncio.gather(*watching)

    assert len(others) == 3
    assert all(other == first for other in others)


async def test_a_watch_never_splits_a_revision(store: Store, keys: Keys) -> None:
    """Three events a revision, too large together for one message."""
    start = (await store.read(keys.prefix)).revision
    large = bytes(200_000)
    revisions = []
    for _ in range(12):
        committed = await store.commit(
            [], [Put(f"{keys.prefix}{name}", large) for name in ("a", "b", "c")]
        )
        revisions.append(committed.revision)

    batches: list[Events] = []
    async with asyncio.timeout(20), aclosing(store.watch(keys.prefix, start)) as watch:
        async for events in watch:
            batches.append(events)
            if events.revision == revisions[-1]:
                break

    for batch in batches:
        told = [revision_of(event) for event in batch.events]
        assert all(told.count(revision) == 3 for revision in told)
    every = [revision_of(event) for batch in batches for event in batch.events]
    assert every == [revision for revision in revisions for _ in range(3)]


async def test_a_watch_of_what_is_compacted_says_so(world, store: Store, keys: Keys) -> None:
    first = await put(store, keys.prefix + "a")
    await put(store, keys.prefix + "b")
    third = await put(store, keys.prefix + "c")
    await world.compact(third)

    with pytest.raises(Compacted) as raised:
        await collect(store, keys.prefix, Revision(first - 1), 3)

    assert raised.value.revision == third
    oldest = Revision(raised.value.revision - 1)
    (event,) = await collect(store, keys.prefix, oldest, 1)
    assert key_of(event) == keys.prefix + "c"


async def test_a_reading_and_a_watch_from_it_miss_nothing(world, store: Store, keys: Keys) -> None:
    """A writer is busy all the time; reading + watch always give what was written."""
    writer = world.another_store()

    async def write() -> None:
        for number in range(120):
            await put(writer, f"{keys.prefix}{number % 10}", str(number).encode())

    writing = asyncio.create_task(write())
    reading = await store.read(keys.prefix)
    values = {item.key: item.value for item in reading.items}
    async with asyncio.timeout(30), aclosing(store.watch(keys.prefix, reading.revision)) as watch:
        async for events in watch:
            for event in events.events:
                assert isinstance(event, Changed)
                values[event.item.key] = event.item.value
            if values.get(keys.prefix + "9") == b"119":
                break
    await writing
    assert values == {item.key: item.value for item in (await store.read(keys.prefix)).items}


async def test_of_many_swaps_of_one_key_each_round_has_one_winner(store: Store, keys: Keys) -> None:
    wins = 0

    async def contend(me: int) -> None:
        nonlocal wins
        expected = ABSENT
        for turn in range(10):
            value = f"{me}/{turn}".encode()
            committed = await store.commit(
                [ModifiedAt(keys.config, expected)], [Put(keys.config, value)], [keys.config]
            )
            wins += committed.won
            (expected,) = [item.mod_revision for item in committed.found] or [committed.revision]

    start = (await store.read(keys.prefix)).revision
    await asyncio.gather(*(contend(me) for me in range(8)))
    events = await collect(store, keys.config, start, wins)
    assert len(events) == wins
