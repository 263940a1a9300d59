"""Rules taken away, one at a time, to see that the simulation notices.

Some are taken away where the simulation stands in for something (the data plane's lease,
a connection's guards); the others by a decision that is patched while a seed runs.

That a copy which begins anew keeps its id is no mutant here: alone it breaks nothing. No
primary tells a copy to begin anew that its record names or may come to name, and a node that
restarts names its copies by its incarnation. Replication's own random runs take both rules
away at once and miss them (``node/replication/tests/replication/mutants.rs``); that nothing
tells copies of a restarted node apart is ``IN_SYNC_BY_NODE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any, cast

from shoal_coordinator.registry.operations import hand_over
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    CreatedAt,
    Guard,
    OutcomeUnknown,
    Store,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import CopyId
from shoal_node import actuator, agent, handover, holders, taking
from shoal_node.contact import Contact
from shoal_node.local import Local
from watched_etcd import KEYS


class Mutant(StrEnum):
    """What is wrong."""

    NONE = "nothing"
    ACKNOWLEDGED_BY_ANY_COPY = "a write is acknowledged once any one copy has it"
    IN_SYNC_BY_NODE = "who is in sync is told by node, not by copy"
    JOINING_NOT_WAITED_FOR = "a change of who is in sync is ignored while it is on its way"
    OLD_RECORD_OBEYED = "a record of an older epoch is obeyed"
    OUTSIDERS_TAKE_OVER = "a copy outside the in-sync set takes over with its data"
    DEADLINE_FROM_ANSWER = "a lease's deadline is counted from the keepalive's answer"
    FENCE_LIFTED_EARLY = "a new lease's deadline counts before what was lost is closed"
    NO_CHECK_AT_ANSWER = "neither epoch nor fence is checked again before the answer"
    INCARNATION_IGNORED = "a record is read as naming a node, whatever its incarnation"
    OWN_KEY_NOT_COMPARED = "a take-over does not compare the node's own key"
    OLD_KEY_NOT_COMPARED = "a take-over does not compare the old primary's key"
    NOTHING_FROZEN = "a hand-over does not freeze"
    NOTHING_DRAINED = "a hand-over does not wait until its target has everything"
    THAWED_BLINDLY = "a frozen partition is thawed although the hand-over may have won"
    CLEARED_TOO_SOON = "a partition starts empty while a copy in sync lives"
    SILENCE_NOT_CONFIRMED = "a primary that may be deaf itself leaves copies out as late"
    ABSENCE_COUNTED_BEFORE_RETURN = "who was missing before this node was back counts as lost"


def guards_kept(
    mutant: Mutant, node: str, guards: Sequence[Guard], changes: Sequence[Change]
) -> Sequence[Guard]:
    """What a connection compares."""
    if mutant not in {Mutant.OWN_KEY_NOT_COMPARED, Mutant.OLD_KEY_NOT_COMPARED}:
        return guards
    if not any("/partitions/" in change.key for change in changes):
        return guards
    own = KEYS.node(node)  # type: ignore[arg-type]

    def is_dropped(guard: Guard) -> bool:
        if not isinstance(guard, CreatedAt):
            return False
        if guard.key == own:
            return mutant is Mutant.OWN_KEY_NOT_COMPARED
        return mutant is Mutant.OLD_KEY_NOT_COMPARED and guard.revision == 0

    return [guard for guard in guards if not is_dropped(guard)]


class _Blind:
    """A connection that takes what it does not know for not written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read = store.read

    async def commit(self, *args: Any, **named: Any) -> Committed:
        try:
            return await self._store.commit(*args, **named)
        except OutcomeUnknown as unknown:
            raise StoreUnavailable("taken for not written") from unknown


async def _blind_hand_over(store: Store, *args: Any) -> object:
    return await hand_over(cast("Store", _Blind(store)), *args)


def _owns_by_node(self: Local, held: Any) -> bool:
    return held.record.primary is not None and held.record.primary.node == self.node


def _always_heard(self: Contact, sent_ms: Sequence[int], now_ms: int, silence_ms: int) -> None:
    _heard(self, sent_ms, now_ms, silence_ms)
    self.confirmed_ms = now_ms


_heard = Contact.heard


def _patches(mutant: Mutant) -> Iterator[tuple[object, str, Callable[..., Any]]]:
    match mutant:
        case Mutant.INCARNATION_IGNORED:
            yield Local, "owns", _owns_by_node
        case Mutant.OUTSIDERS_TAKE_OVER | Mutant.CLEARED_TOO_SOON:
            # As if no copy in sync were ever left; what becomes of it says the config.
            yield taking, "copies_left", lambda _view, _record: ()
        case Mutant.THAWED_BLINDLY:
            yield handover, "hand_over", _blind_hand_over
        case Mutant.OLD_RECORD_OBEYED:
            yield Local, "latest", lambda _self, view, partition: view.partitions.get(partition)
        case Mutant.SILENCE_NOT_CONFIRMED:
            yield Contact, "heard", _always_heard
        case Mutant.ABSENCE_COUNTED_BEFORE_RETURN:
            yield Contact, "began", lambda _self, _now_ms: None
        case Mutant.IN_SYNC_BY_NODE:
            # Every copy of a node has the same name, for ever.
            for module in (actuator, agent):
                yield module, "new_copy_id", lambda mark, _token: CopyId(mark.split("-")[0])
            yield holders, "is_of", lambda _copy_id, _incarnation: True
        case _:
            return


@contextmanager
def taken_away(mutant: Mutant) -> Iterator[None]:
    """Run without this rule."""
    with ExitStack() as stack:
        for where, name, instead in _patches(mutant):
            stack.enter_context(replaced(where, name, instead))
        yield


@contextmanager
def replaced(where: object, name: str, instead: object) -> Iterator[None]:
    """Something else under this name, for a while."""
    before = getattr(where, name)
    setattr(where, name, instead)
    try:
        yield
    finally:
        setattr(where, name, before)
