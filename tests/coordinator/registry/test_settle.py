"""A commit whose answer was lost is read back; whatever was lost, it counts once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import CommitFault, MemoryEtcd, MemoryStore
from shoal_coordinator.registry.operations.settle import Swap, Verdict, settle, verdict
from shoal_coordinator.registry.port import (
    ABSENT,
    NO_LEASE,
    Change,
    Committed,
    CreatedAt,
    Delete,
    Guard,
    Item,
    LeaseId,
    LeaseLost,
    ModifiedAt,
    OutcomeUnknown,
    Put,
    Reading,
    Revision,
    StoreUnavailable,
)

KEY = "/shoal/c/config"
GUARD = ModifiedAt(KEY, Revision(5))
SWAP = Swap(GUARD, Put(KEY, b"ours"))


def item(value: bytes, modified: int, created: int = 2, lease: LeaseId = NO_LEASE) -> Item:
    return Item(KEY, value, Revision(created), Revision(modified), lease)


@pytest.mark.parametrize(
    ("swap", "stands", "says"),
    [
        (SWAP, item(b"ours", 6), Verdict.WON),
        (SWAP, item(b"ours", 5), Verdict.NOT_YET),
        (SWAP, item(b"before", 5), Verdict.NOT_YET),
        (SWAP, item(b"theirs", 6), Verdict.LOST),
        (SWAP, item(b"ours", 6, lease=LeaseId(1)), Verdict.LOST),
        (SWAP, None, Verdict.LOST),
        (Swap(ModifiedAt(KEY, ABSENT), Put(KEY, b"ours")), None, Verdict.NOT_YET),
        (Swap(CreatedAt(KEY, ABSENT), Put(KEY, b"ours")), item(b"ours", 9, 9), Verdict.WON),
        (Swap(CreatedAt(KEY, Revision(2)), Delete(KEY)), None, Verdict.WON),
        (Swap(CreatedAt(KEY, Revision(2)), Delete(KEY)), item(b"x", 6), Verdict.NOT_YET),
        (Swap(CreatedAt(KEY, Revision(2)), Delete(KEY)), item(b"x", 6, 6), Verdict.LOST),
    ],
)
def test_what_stands_decides(swap: Swap, stands: Item | None, says: Verdict) -> None:
    assert verdict(swap, stands) is says


async def put(store: MemoryStore, value: bytes) -> Revision:
    return (await store.commit([], [Put(KEY, value)])).revision


@pytest.mark.parametrize("fault", [CommitFault.LOST_BEFORE, CommitFault.LOST_AFTER])
async def test_a_lost_answer_is_settled_as_won(fault: CommitFault) -> None:
    store = MemoryStore()
    before = await put(store, b"before")
    store.fail_commits(fault)

    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))])

    assert settled.won
    assert settled.revision == before + 1
    assert store.etcd.revision == before + 1, "it was written exactly once"


@pytest.mark.parametrize(
    "faults", list(itertools.product([CommitFault.LOST_BEFORE, CommitFault.LOST_AFTER], repeat=3))
)
async def test_however_often_answers_are_lost_it_is_written_once(
    faults: tuple[CommitFault, ...],
) -> None:
    store = MemoryStore()
    before = await put(store, b"before")
    store.fail_commits(*faults)
    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))])
    assert settled.won
    assert store.etcd.revision == before + 1


@pytest.mark.parametrize("fault", [CommitFault.LOST_BEFORE, CommitFault.LOST_AFTER])
async def test_a_lost_answer_to_a_deletion_is_settled(fault: CommitFault) -> None:
    store = MemoryStore()
    created = await put(store, b"x")
    store.fail_commits(fault)
    settled = await settle(store, [Swap(CreatedAt(KEY, created), Delete(KEY))])
    assert settled.won
    assert (await store.read(KEY)).items == ()


async def test_a_lost_answer_to_a_lost_race_is_settled_as_lost() -> None:
    store = MemoryStore()
    before = await put(store, b"before")
    theirs = await put(store, b"theirs")
    store.fail_commits(CommitFault.LOST_AFTER)
    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))])
    assert not settled.won
    assert settled.failed == (ModifiedAt(KEY, before),)
    standing = settled.item(KEY)
    assert standing is not None
    assert (standing.value, standing.mod_revision) == (b"theirs", theirs)


async def test_a_write_that_was_overwritten_before_it_was_read_back_is_not_lost_for_certain() -> (
    None
):
    class Overwriting(MemoryStore):
        async def read(self, prefix: str) -> Reading:
            self.etcd.commit([], [Put(KEY, b"theirs")], [])
            return await super().read(prefix)

    store = Overwriting()
    before = await put(store, b"before")
    store.fail_commits(CommitFault.LOST_AFTER)
    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))])
    assert not settled.won
    assert not settled.certain


async def test_another_guard_that_fails_is_named_after_a_lost_answer() -> None:
    store = MemoryStore()
    before = await put(store, b"before")
    leader = CreatedAt("/shoal/c/leader", Revision(1))
    store.fail_commits(CommitFault.LOST_BEFORE)
    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))], [leader])
    assert not settled.won
    assert settled.failed == (leader,)


async def test_a_commit_that_certainly_was_not_applied_is_said_at_once() -> None:
    store = MemoryStore()
    store.fail_commits(CommitFault.REFUSED)
    with pytest.raises(StoreUnavailable):
        await settle(store, [Swap(ModifiedAt(KEY, ABSENT), Put(KEY, b"ours"))])
    assert store.commits == 1


async def test_a_lease_that_went_meanwhile_is_said() -> None:
    store = MemoryStore()
    lease = await store.grant_lease(5)
    store.fail_commits(CommitFault.LOST_BEFORE)
    await store.revoke_lease(lease.id)
    with pytest.raises(LeaseLost):
        await settle(store, [Swap(CreatedAt(KEY, ABSENT), Put(KEY, b"ours", lease.id))])


async def test_what_cannot_be_found_out_stays_unknown() -> None:
    class CutAfterCommit(MemoryStore):
        async def commit(
            self,
            guards: Sequence[Guard],
            changes: Sequence[Change],
            on_loss_read: Sequence[str] = (),
        ) -> Committed:
            self.fail_commits(CommitFault.LOST_AFTER)
            try:
                return await super().commit(guards, changes, on_loss_read)
            finally:
                self.set_available(available=False)

    store = CutAfterCommit()
    with pytest.raises(OutcomeUnknown):
        await settle(store, [Swap(ModifiedAt(KEY, ABSENT), Put(KEY, b"ours"))], within_seconds=0.2)


async def test_a_first_copy_that_lands_late_is_recognised() -> None:
    """The request is delayed on its way and lands just before its repetition."""

    class Delayed(MemoryStore):
        held: list[tuple[Sequence[Guard], Sequence[Change], Sequence[str]]] | None = None

        async def commit(
            self,
            guards: Sequence[Guard],
            changes: Sequence[Change],
            on_loss_read: Sequence[str] = (),
        ) -> Committed:
            if self.held is None:
                self.held = [(guards, changes, on_loss_read)]
                raise OutcomeUnknown("delayed")
            for late in self.held:
                assert self.etcd.commit(*late).won
            self.held = []
            return await super().commit(guards, changes, on_loss_read)

    etcd = MemoryEtcd()
    before = await put(MemoryStore(etcd), b"before")
    store = Delayed(etcd)
    settled = await settle(store, [Swap(ModifiedAt(KEY, before), Put(KEY, b"ours"))])
    assert settled.won
    assert settled.revision == before + 1
    assert etcd.revision == before + 1


def test_a_swap_guards_the_key_it_writes() -> None:
    with pytest.raises(AssertionError):
        Swap(ModifiedAt(Keys("c").leader, ABSENT), Put(KEY, b""))
