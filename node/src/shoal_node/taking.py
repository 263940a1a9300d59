"""Whose turn it is to take a vacant partition over, and with which data: pure decisions.

1. While a copy in sync is left, only such copies take over. Where there is more than
   one their nodes are asked how far they are: the furthest goes first, each other one
   a short delay after the one before; who does not answer comes last.
2. A copy in sync is known to be lost at sight when its node's key is gone or names
   another run (``holders``). Of one whose node lives the node itself must say so.
3. Where none is left the cluster's configuration says what becomes of the partition:
   it starts empty at the first candidate (``candidates``), or goes on from the furthest
   copy that there is, or waits. So does a partition that nobody has had yet start.

After a mass loss all wait (``absence``), and so does who has lost its own lease and has
a new one: the lease of a primary that is not there may have been dropped before its time.
And who is only just back itself, or does not hear etcd, passes over nobody whose key is
missing (``contact``): where etcd was away, others come back a little later, with their
data. A node that stops takes over only what it has in sync, after the others, and hands
it on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from shoal_coordinator.registry.records import (
    Copy,
    NodeId,
    PartitionId,
    PartitionRecord,
    Unclean,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode
from shoal_node.absence import has_left
from shoal_node.actions import AskPositions, HandOver, LookAgain, TakeOver
from shoal_node.candidates import candidates
from shoal_node.giving import pass_on
from shoal_node.hearing import Position
from shoal_node.holders import copies_left, holder
from shoal_node.local import Local, Vacancy
from shoal_node.policy import Policy
from shoal_node.roles import lost_copies


@dataclass(frozen=True, slots=True)
class _Turn:
    """When it is this node's turn, and with what it takes over."""

    at_ms: int
    why_wait: str
    with_data: bool = False


@dataclass(frozen=True, slots=True)
class _Ask:
    """Whom to ask first."""

    nodes: tuple[NodeId, ...]


def take_overs(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    now_ms: int,
    policy: Policy,
    unsettled: Sequence[PartitionId],
) -> Iterator[AskPositions | TakeOver | HandOver | LookAgain]:
    """What to take over now, whom to ask before, and when to look again.

    ``unsettled``: where a copy may be lost (``roles.unlike``); what is vacant is always
    looked at.
    """
    if not view.has_weight(local.node):
        return
    room = policy.take_overs_at_once - len(local.taking)
    if local.vacancies:
        room = yield from _of_vacant(view, local, own, now_ms, room, policy)
    if unsettled:
        yield from _without_copy(view, local, own, now_ms, room, policy, unsettled)


def _of_vacant(  # noqa: C901  a gathering of what each partition needs
    view: ClusterView, local: Local, own: LiveNode, now_ms: int, room: int, policy: Policy
) -> Generator[AskPositions | TakeOver | LookAgain, None, int]:
    """What to take over of what is vacant; return for how many there is room still."""
    next_look: LookAgain | None = None
    questions: dict[NodeId, list[PartitionId]] = defaultdict(list)
    for partition, vacancy in local.vacancies.items():
        held = view.partitions[partition]
        if partition in local.taking or local.latest(view, partition) is not held:
            continue
        due = _due(view, local, held, vacancy, now_ms, policy)
        if isinstance(due, _Ask):
            for node in due.nodes:
                questions[node].append(partition)
            continue
        if due is None:
            continue
        at_ms = max(due.at_ms, local.retry_at_ms.get(partition, 0))
        if at_ms > now_ms:
            if next_look is None or at_ms < next_look.at_ms:
                next_look = LookAgain(at_ms, due.why_wait)
        elif room > 0:
            room -= 1
            yield _take_over(view, local, held, own, with_data=due.with_data)
    for node, partitions in sorted(questions.items()):
        yield AskPositions(view.nodes[node], tuple(partitions))
    if next_look is not None:
        yield next_look
    return room


def _due(
    view: ClusterView,
    local: Local,
    held: HeldPartition,
    vacancy: Vacancy,
    now_ms: int,
    policy: Policy,
) -> _Turn | _Ask | None:
    """This node's turn; whom to ask before that is known; None: never, or not as yet."""
    partition = held.record.partition
    if partition in local.serving:
        # Given up in this very turn. What is done with the copy is decided after that.
        return _Turn(now_ms + 1, f"partition {partition} was served here until now")
    if vacancy.held_until_ms is not None:
        why = f"most nodes vanished at once; partition {partition} may be resumed"
        return _Turn(vacancy.held_until_ms, why)
    returns_until_ms = _primary_returns_until_ms(view, local, held.record, policy)
    if now_ms < returns_until_ms:
        why = f"the primary of partition {partition} may not know yet that its lease is gone"
        return _Turn(returns_until_ms, why)
    left = copies_left(view, held.record)
    if left:
        own_copy = local.own_copy(partition)
        if own_copy in left and _is_whole(local, partition):
            return _in_sync_turn(view, local, held, vacancy, left, policy)
        return _outsider(view, local, held, left, vacancy, now_ms, policy)
    return _unclean_turn(view, local, held, vacancy, now_ms, policy)


def _primary_returns_until_ms(
    view: ClusterView, local: Local, record: PartitionRecord, policy: Policy
) -> int:
    """Until when a primary whose key is gone may still trust its lease; 0: it may not.

    Who has lost a lease that it kept knows that etcd may have dropped others' too, before
    their time. A view may show that long after, and show only who is not back.
    """
    primary = record.primary
    if local.regained_ms is None or primary is None or primary.node in view.nodes:
        return 0
    return local.regained_ms + policy.return_hold_ms


def _in_sync_turn(
    view: ClusterView,
    local: Local,
    held: HeldPartition,
    vacancy: Vacancy,
    left: tuple[Copy, ...],
    policy: Policy,
) -> _Turn | _Ask | None:
    partition = held.record.partition
    others = [copy for copy in left if copy.node != local.node]
    unheard = [it.node for it in others if local.hearing.answer(partition, it.node) is None]
    if unheard:
        ask = tuple(it for it in unheard if (partition, it) not in local.hearing.asked)
        return _Ask(ask) if ask else None
    order = candidates(view, held.record)
    places: list[tuple[bool, bool, int, int, int, NodeId]] = []
    for copy in left:
        position = _position(local, partition, copy)
        stops = view.nodes[copy.node].registration.leaving or (
            copy.node == local.node and local.stopping
        )
        at = position or Position()
        preferred = order.index(copy.node) if copy.node in order else len(order)
        places.append((stops, position is None, -at.epoch, -at.seq, preferred, copy.node))
    place = [node for *_, node in sorted(places)].index(local.node)
    why = f"{place} other copies in sync come first for partition {partition}"
    return _Turn(vacancy.since_ms + place * policy.promote_delay_ms, why, with_data=True)


def _position(local: Local, partition: PartitionId, copy: Copy) -> Position | None:
    """How far a copy is; None where that is not known, or the copy is lost."""
    if copy.node == local.node:
        return _own_position(local, partition)
    answer = local.hearing.answer(partition, copy.node)
    if answer is None or answer.copy is None or answer.copy.copy_id != copy.copy_id:
        return None
    return answer.copy.position


def _own_position(local: Local, partition: PartitionId) -> Position:
    told = local.observed.get(partition)
    return Position() if told is None else Position(told.position_epoch, told.seq)


def _is_whole(local: Local, partition: PartitionId) -> bool:
    told = local.observed.get(partition)
    return partition in local.following and (told is None or told.role != "restoring")


def _outsider(
    view: ClusterView,
    local: Local,
    held: HeldPartition,
    left: tuple[Copy, ...],
    vacancy: Vacancy,
    now_ms: int,
    policy: Policy,
) -> _Turn | _Ask | None:
    """Copies in sync are left, and none is here: they have their turn, if they are there."""
    partition = held.record.partition
    patience_ms = vacancy.since_ms + (1 + len(left)) * policy.promote_delay_ms
    others = [copy for copy in left if copy.node != local.node]
    if now_ms < patience_ms and others:
        why = f"{len(others)} copies of partition {partition} in sync come first"
        return _Turn(patience_ms, why)
    asking = [it.node for it in others if not _is_fresh(local, partition, it.node, now_ms, policy)]
    if asking:
        ask = tuple(it for it in asking if (partition, it) not in local.hearing.asked)
        return _Ask(ask) if ask else None
    for copy in others:
        answer = local.hearing.answer(partition, copy.node)
        assert answer is not None
        is_there = answer.copy is not None and answer.copy.copy_id == copy.copy_id
        if is_there or not answer.has_answered:
            why = f"{copy.node} has a copy of partition {partition} in sync, or does not answer"
            return _Turn(answer.at_ms + policy.ask_again_ms, why)
    return _unclean_turn(view, local, held, vacancy, now_ms, policy)


def _is_fresh(
    local: Local, partition: PartitionId, node: NodeId, now_ms: int, policy: Policy
) -> bool:
    answer = local.hearing.answer(partition, node)
    return answer is not None and now_ms < answer.at_ms + policy.ask_again_ms


def _unclean_turn(
    view: ClusterView,
    local: Local,
    held: HeldPartition,
    vacancy: Vacancy,
    now_ms: int,
    policy: Policy,
) -> _Turn | _Ask | None:
    assert view.config is not None
    record = held.record
    was_had = record.primary is not None
    if local.stopping or (was_had and view.config.unclean is Unclean.REFUSE):
        return None
    holds = [local.absence.held_until_ms.get(copy.node) for copy in record.in_sync]
    held_until_ms = max((it for it in holds if it is not None), default=None)
    if held_until_ms is not None and held_until_ms > now_ms:
        why = f"most nodes vanished at once; a copy of partition {record.partition} may be back"
        return _Turn(held_until_ms, why)
    returns_until_ms = _returns_until_ms(view, local, record, policy)
    if returns_until_ms > now_ms:
        why = f"this node is just back; a copy of partition {record.partition} may be, too"
        return _Turn(returns_until_ms, why)
    order = list(candidates(view, record))
    if local.node not in order:
        return None
    if was_had and view.config.unclean is Unclean.KEEP:
        return _keeping_turn(local, record.partition, order, vacancy, now_ms, policy)
    place = order.index(local.node)
    why = f"{place} other nodes come first for partition {record.partition}"
    return _Turn(vacancy.since_ms + place * policy.follow_delay_ms, why)


def _keeping_turn(
    local: Local,
    partition: PartitionId,
    order: list[NodeId],
    vacancy: Vacancy,
    now_ms: int,
    policy: Policy,
) -> _Turn | _Ask | None:
    """The furthest first; who does not answer may have a copy, and comes before who has none.

    Who has none asks those again, for as long as a lease lasts that nobody keeps. The delays
    count from the last answer: the partition may have waited for long, by the configuration.
    """
    others = [it for it in order if it != local.node]
    has_data = _stale_position(local, partition, local.node) > Position()
    is_patient = not has_data and now_ms < vacancy.since_ms + policy.return_hold_ms
    heard = {it: local.hearing.answer(partition, it) for it in others}
    silent = {it for it, answer in heard.items() if answer is None or not answer.has_answered}
    asking = [
        it
        for it in others
        if (answer := heard[it]) is None
        or (is_patient and it in silent and now_ms >= answer.at_ms + policy.ask_again_ms)
    ]
    if asking:
        ask = tuple(it for it in asking if (partition, it) not in local.hearing.asked)
        return _Ask(ask) if ask else None
    answers = {it: answer for it, answer in heard.items() if answer is not None}
    if silent and is_patient:
        at_ms = min(answers[it].at_ms for it in silent) + policy.ask_again_ms
        return _Turn(at_ms, f"{len(silent)} nodes may have a copy of partition {partition}")
    order = sorted(
        order,
        key=lambda it: (_stale_position(local, partition, it), it in silent),
        reverse=True,
    )
    place = order.index(local.node)
    since_ms = max([vacancy.since_ms, *(answer.at_ms for answer in answers.values())])
    why = f"{place} other nodes come first for partition {partition}"
    return _Turn(since_ms + place * policy.follow_delay_ms, why, with_data=has_data)


def _returns_until_ms(
    view: ClusterView, local: Local, record: PartitionRecord, policy: Policy
) -> int:
    """Until when a copy in sync may be back whose node's key is not there; 0: none is so."""
    is_any_missing = any(
        copy.node not in view.nodes and not has_left(view, copy.node) for copy in record.in_sync
    )
    return local.contact.since_ms + policy.return_hold_ms if is_any_missing else 0


def _stale_position(local: Local, partition: PartitionId, node: NodeId) -> Position:
    if node == local.node:
        is_usable = _is_whole(local, partition)
        return _own_position(local, partition) if is_usable else Position()
    answer = local.hearing.answer(partition, node)
    if answer is None or answer.copy is None or not answer.copy.is_whole:
        return Position()
    return answer.copy.position


def _take_over(
    view: ClusterView, local: Local, held: HeldPartition, own: LiveNode, *, with_data: bool
) -> TakeOver:
    record = held.record
    copy = local.own_copy(record.partition) if with_data else None
    others: tuple[Copy, ...] = ()
    if copy is not None and copy in record.in_sync:
        others = tuple(it for it in copies_left(view, record) if it != copy)
    copy_id = None if copy is None else copy.copy_id
    primary = record.primary
    if primary is None:
        return TakeOver(held, own, None, copy_id, others, "nobody has had it yet")
    # Those who live and lost their copy said so themselves: they cannot get it back.
    gone = tuple(
        (it.node, view.nodes.get(it.node))
        for it in record.in_sync
        if it not in {primary, copy} and holder(view, it) is None
    )
    previous = view.nodes.get(primary.node)
    what = "is gone" if previous is None else "has restarted"
    why = f"its primary {primary.node} {what}"
    is_clean = copy in record.in_sync
    return TakeOver(held, own, previous, copy_id, others, why, () if is_clean else gone)


def _without_copy(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    now_ms: int,
    room: int,
    policy: Policy,
    unsettled: Sequence[PartitionId],
) -> Iterator[TakeOver | HandOver | LookAgain]:
    """What is this node's by its record, and whose copy is lost: passed on, or begun anew."""
    assert view.config is not None
    for held in lost_copies(view, local, unsettled):
        partition = held.record.partition
        if local.is_busy(partition) or view.partitions.get(partition) is not held:
            continue
        passing = pass_on(view, own, held)
        due_ms = local.retry_at_ms.get(partition, 0)
        if passing is None:
            due_ms = max(due_ms, _returns_until_ms(view, local, held.record, policy))
        if due_ms > now_ms:
            yield LookAgain(due_ms, f"partition {partition} has no copy here")
        elif passing is not None:
            yield passing
        elif view.config.unclean is not Unclean.REFUSE and room > 0:
            room -= 1
            yield TakeOver(held, own, None, None, (), "this node's copy of it is lost")
