"""The loop at the edge: observe, decide, act.

Each turn takes the newest view, decides (``decide``), and carries the actions out
in their order. What the data plane does is done at once (``actuator``); what goes
to the registry runs as a task of its own, and its outcome wakes the next turn.
Without news there are no turns, unless an action says when to look again. What the
data plane tells of replication is news, too; it rings when there is any
(``replication_watch``).

A turn looks at what may need it (``attention``). What a new record asks of this node's
own copy of that partition is done before it: when a view shows the record, and when a
commit of this node's own has written it.

When etcd is away the last view stands and nothing changes: the node serves until
its lease's deadline, the data plane fences itself, and everything comes back by
itself (``membership``). When etcd went back in time, the node stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from shoal_coordinator.registry.copy_ids import new_copy_id
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.operations import HANDED_TOGETHER_MAX
from shoal_coordinator.registry.port import StoreWentBack
from shoal_coordinator.registry.records import ClusterConfig, Epoch, NodeRegistration, PartitionId
from shoal_coordinator.registry.view import ClusterView, LiveNode, partitions_changed
from shoal_node.actions import (
    Action,
    AskPositions,
    ChangeAsPrimary,
    HandOver,
    InstallTopology,
    LookAgain,
    Rejoin,
    RequireCopies,
    TakeOver,
)
from shoal_node.actuator import Actuator
from shoal_node.agent_counts import AgentCounts
from shoal_node.attention import Attention
from shoal_node.bell import heard
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.decide import at_once, decide, is_ready, standing
from shoal_node.errors import ClusterChanged
from shoal_node.fence import Fence
from shoal_node.handover import HandOverPorts, hand_partitions_over
from shoal_node.in_sync import replica_lag_ms
from shoal_node.local import Local
from shoal_node.membership import Membership, MembershipPorts
from shoal_node.peers import Peers, PeerSilent
from shoal_node.policy import Policy
from shoal_node.record_change import change_records
from shoal_node.replication_watch import ReplicationWatch
from shoal_node.shortfall import Shortfall
from shoal_node.takeover import take_partitions_over

_log = structlog.get_logger(__name__)

_ROUTINE = (InstallTopology, LookAgain, RequireCopies)
"""Actions that are no news to whoever reads the log."""
_WRITES = (TakeOver, ChangeAsPrimary, HandOver)
"""Actions that write records."""
_NS_PER_MS = 1_000_000
_REST_SECONDS = 0.002
"""Between two looks at replication: what comes meanwhile is read together."""
_TURN_REST_SECONDS = 0.02
"""Between two turns at least, unless a node has come or gone. While partitions move, news
come every few milliseconds; what requests wait for is done before a turn (``at_once``). Who
stops hands over a few partitions a turn: those who take them over have to keep up with it."""
_READINESS_POLL_MS = 200
"""How often a node that is not ready looks whether its lease has been renewed."""


@dataclass(frozen=True, slots=True)
class AgentPorts:
    """What the agent reaches the world through."""

    membership: MembershipPorts
    data_plane: DataPlanePort
    fence: Fence
    peers: Peers
    draw_token: Callable[[], str]
    """Something random, new every time: for copy ids."""
    counts: AgentCounts


class Agent:
    """One node's decisions, from its registration to its end. Made inside an event loop."""

    def __init__(
        self,
        ports: AgentPorts,
        registration: NodeRegistration,
        config: ClusterConfig,
        policy: Policy,
    ) -> None:
        self.local = Local(registration.id, registration.incarnation, eviction=config.eviction)
        self.fence = ports.fence
        self._log: structlog.typing.FilteringBoundLogger = _log.bind()
        """Made once: the module's is a proxy, which makes one for every line, told or not."""
        self._ports = ports
        self._world = ports.membership
        self._config = config
        self._policy = policy
        self._actuator = Actuator(ports.data_plane, self.fence, self.local, ports.draw_token)
        self._hand_over_ports = HandOverPorts(
            self._world.store, self._world.keys, ports.data_plane, self._world.offload
        )
        self._watch = ReplicationWatch(ports.data_plane, self.local, policy)
        self._attention = Attention()
        self._lag_ms = 0
        """Of the copies in sync that this tour of them has come to."""
        self._shortfall = Shortfall(1 + config.replica_count)
        self._view: ClusterView | None = None
        self._first_view = asyncio.Event()
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._turned = asyncio.Event()
        self._look_again_ms: int | None = None
        self._ready = False
        self._running: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._membership = Membership(
            self._world,
            registration,
            config.lease_ttl_seconds,
            self.fence,
            self.local,
            standing=self._standing_under_id,
            changed=self._news.set,
        )

    @property
    def is_ready(self) -> bool:
        return self._ready

    async def run(self) -> None:
        """Follow, join, serve; until cancelled, and then fence. Raises NodeError."""
        tasks = [
            asyncio.create_task(self._follow(), name="follow"),
            asyncio.create_task(self._join(), name="membership"),
            asyncio.create_task(self._turns(), name="turns"),
            asyncio.create_task(self._watch_replication(), name="replication"),
        ]
        try:
            done, _ = await asyncio.wait(
                [*tasks, self._failed], return_when=asyncio.FIRST_COMPLETED
            )
            for ended in done:
                ended.result()
        except StoreWentBack as error:
            raise ClusterChanged(f"this node stops: {error}") from error
        finally:
            self.fence.fall()
            self._set_ready(ready=False)
            await _cancel([*tasks, *self._running])

    async def hand_over_everything(self, within_seconds: float) -> int:
        """Stop being ready and give away what can be; return how much is left here."""
        self.local.stopping = True
        self._set_ready(ready=False)
        self._news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._membership.announce_leaving()
                while self._is_needed() and self._has_successor():
                    self._turned.clear()
                    await self._turned.wait()
        return len(self.local.serving)

    async def leave(self) -> None:
        """Fence, and give the lease back. After ``run`` has ended."""
        await self._membership.leave()

    async def _follow(self) -> None:
        async with contextlib.aclosing(follow(self._world.store, self._world.keys)) as views:
            async for view in views:
                self._saw(view)

    def _saw(self, view: ClusterView) -> None:
        self._check_config(view)
        known, self._view = self._view, view
        self._first_view.set()
        if known is not None:
            self._act_at_once(partitions_changed(known.partitions, view.partitions))
            if view.nodes is not known.nodes:
                self._urgent.set()
        self._news.set()

    def _check_config(self, view: ClusterView) -> None:
        if view.config is None or view.config.cluster_id != self._config.cluster_id:
            raise ClusterChanged(
                f"the cluster {view.cluster} was removed from etcd or made anew: "
                "start this node again"
            )

    async def _join(self) -> None:
        # The view tells who stands under this node's id.
        await self._first_view.wait()
        await self._membership.run()

    def _standing_under_id(self) -> LiveNode | None:
        return None if self._view is None else self._view.nodes.get(self.local.node)

    async def _watch_replication(self) -> None:
        loop = asyncio.get_running_loop()
        with heard(self._ports.data_plane.replication_bell()) as rung:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._watch.wait_ms(self._now_ms()) / 1000):
                        await rung.wait()
                rung.clear()
                began = loop.time()
                if self._watch.look(self._now_ms()):
                    self._news.set()
                self._note_lag()
                # As turns do: with thousands of partitions it takes time to read them all.
                await asyncio.sleep(max(_REST_SECONDS, loop.time() - began))

    def _note_lag(self) -> None:
        """From look to look on a tour of what is replicated, and tell it at the tour's end."""
        if self._view is not None and self._watch.lagging:
            lag_ms = replica_lag_ms(self._view, self.local, self._watch.lagging)
            self._lag_ms = max(self._lag_ms, lag_ms)
        if self._watch.is_round:
            self._ports.counts.replica_lag_ms, self._lag_ms = self._lag_ms, 0

    def _is_needed(self) -> bool:
        """Whether this node serves something, or holds a copy that others wait for."""
        if self.local.serving or self._view is None:
            return bool(self.local.serving)
        copies = {self.local.own_copy(partition) for partition in self.local.following}
        return any(
            not copies.isdisjoint(held.record.in_sync)
            for held in self._view.partitions.values()
            if self._view.primary_is_live(held.record)
        )

    def _has_successor(self) -> bool:
        if self._view is None or standing(self._view, self.local) is None:
            return False
        return any(
            node != self.local.node and self._view.may_be_given(node) for node in self._view.nodes
        )

    async def _turns(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds()):
                    await self._news.wait()
            self._news.clear()
            self._look_again_ms = None
            if self._view is not None:
                began = loop.time()
                self._turn(self._view)
                # A turn may look at every partition. Where news comes without end, as
                # when thousands are taken over, it rests for as long as it took, so
                # that half of the time is left for what the turns began. Not when a node
                # has come or gone.
                rest_seconds = max(_TURN_REST_SECONDS, loop.time() - began)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rest_seconds):
                        await self._urgent.wait()
                self._urgent.clear()

    def _wait_seconds(self) -> float | None:
        wait_ms = None
        if self._look_again_ms is not None:
            wait_ms = self._look_again_ms - self._now_ms()
        if self.local.fence_lifted and not self.local.stopping:
            # Readiness follows the deadline, of whose passing and return no news comes.
            ready_ms = self._lease_left_ms() if self._ready else _READINESS_POLL_MS
            wait_ms = ready_ms if wait_ms is None else min(ready_ms, wait_ms)
        return None if wait_ms is None else max(1, wait_ms) / 1000

    def _now_ms(self) -> int:
        return self._world.clock_ns() // 1_000_000

    def _lease_left_ms(self) -> int:
        """How long the fence lets requests through if the lease is not renewed; 0: it does not."""
        left_ns = self.fence.deadline_ns - self._world.clock_ns()
        return max(0, -(-left_ns // 1_000_000))

    def _turn(self, view: ClusterView) -> None:
        now_ms = self._now_ms()
        self._hear(now_ms)
        local = self.local
        local.saw(view, now_ms, self._policy.mass_loss_hold_ms)
        looks_at = self._attention.wanted(view, local)
        vacant = local.vacancies
        self._watch.refresh({*looks_at, *vacant} if looks_at is not None and vacant else looks_at)
        if looks_at is not None:
            looks_at |= local.changed
        local.changed.clear()
        actions = decide(view, local, now_ms, self._policy, looks_at)
        for action in actions:
            self._perform(view, action, now_ms)
        # Most turns write nothing.
        if writes := [it for it in actions if isinstance(it, _WRITES)]:
            self._start_writes(writes)
        self._attention.turned(view, local, looks_at, now_ms, self._policy)
        counts = self._ports.counts
        counts.followed_partitions = len(local.following)
        counts.under_replicated_partitions = self._shortfall.after(view, local, looks_at)
        self._set_ready(
            ready=is_ready(
                view,
                local,
                lease_stands=self.fence.deadline_ns > self._world.clock_ns(),
                only=self._attention.unsettled,
            )
        )
        self._turned.set()

    def _start_writes(self, actions: Collection[Action]) -> None:
        # Each commit is news to every process, so there are few.
        if takes := [action for action in actions if isinstance(action, TakeOver)]:
            self._start(self._take_over(takes))
        if changes := [action for action in actions if isinstance(action, ChangeAsPrimary)]:
            self._start(self._change(changes))
        for batch in _batches([it for it in actions if isinstance(it, HandOver)]):
            self._start(self._hand_over(batch))

    def _hear(self, now_ms: int) -> None:
        contact = self.local.contact
        known_ns = (contact.confirmed_ms + 1) * _NS_PER_MS - 1
        sent_ms = [sent_ns // _NS_PER_MS for sent_ns in self.fence.sent_after(known_ns)]
        contact.heard(sent_ms, now_ms, self._policy.silence_ms)

    def _act_at_once(self, partitions: Collection[PartitionId]) -> None:
        """Do what these partitions' records ask of the copies here, and the rest later."""
        view = self._view
        if view is None or not partitions:
            return
        if any(self._is_to_be_served(view, partition) for partition in partitions):
            self._watch.refresh(partitions)
        for action in at_once(view, self.local, partitions):
            self._perform(view, action, self._now_ms())

    def _is_to_be_served(self, view: ClusterView, partition: PartitionId) -> bool:
        held = self.local.latest(view, partition)
        return held is not None and self.local.owns(held) and partition not in self.local.serving

    def _perform(self, view: ClusterView, action: Action, now_ms: int) -> None:
        if isinstance(action, _ROUTINE):
            self._log.debug("%s", action)
        else:
            self._log.info(str(action))
        match action:
            case Rejoin(why=why):
                self._membership.lose(why)
            case LookAgain(at_ms=at_ms):
                known_ms = self._look_again_ms
                self._look_again_ms = at_ms if known_ms is None else min(known_ms, at_ms)
            case TakeOver():
                self.local.began_taking(action.partition)
            case HandOver():
                self.local.began_handing(action.partition)
            case ChangeAsPrimary():
                self.local.began_changing(action.partition)
            case AskPositions():
                self.local.hearing.began_asking(action.peer.registration.id, action.partitions)
                vacant = {it: self.local.vacancies[it].epoch for it in action.partitions}
                self._start(self._ask(action.peer.registration, vacant))
            case _:
                self._actuator.perform(view, action, now_ms)

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            _log.info("ready to serve" if ready else "not ready to serve")
            self._ports.data_plane.set_ready(ready)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._news.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _take_over(self, actions: list[TakeOver]) -> None:
        draw = self._ports.draw_token
        fresh_ids = [new_copy_id(self.local.incarnation, draw()) for _ in actions]
        outcomes = await take_partitions_over(
            actions, fresh_ids, self._world.store, self._world.keys, self.local
        )
        for action, won in zip(actions, outcomes, strict=True):
            if won and action.copy_id is None:
                self._ports.counts.empty_take_overs += 1
            elif won:
                self._ports.counts.promotions += 1
            self.local.ended_taking(
                action.partition, self._retry_at_ms(won, self._policy.retry_delay_ms)
            )
        self._act_at_once([action.partition for action in actions])

    async def _hand_over(self, actions: list[HandOver]) -> None:
        outcomes = await hand_partitions_over(
            actions, self._hand_over_ports, self.local, self._policy.drain_ms
        )
        for action, won in zip(actions, outcomes, strict=True):
            self._ports.counts.hand_overs += won
            self.local.ended_handing(
                action.partition, self._retry_at_ms(won, self._policy.hand_over_retry_ms)
            )
        self._act_at_once([action.partition for action in actions])

    async def _change(self, actions: list[ChangeAsPrimary]) -> None:
        store, keys = self._world.store, self._world.keys
        outcomes = await change_records(actions, store, keys, self.local)
        for action, won in zip(actions, outcomes, strict=True):
            before, after = {*action.held.record.in_sync}, {*action.record.in_sync}
            if won:
                self._ports.counts.joined += len(after - before)
                self._ports.counts.left += len(before - after)
            self.local.ended_changing(
                action.partition, self._retry_at_ms(won, self._policy.retry_delay_ms)
            )

    async def _ask(self, peer: NodeRegistration, vacant: dict[PartitionId, Epoch]) -> None:
        try:
            copies = await self._ports.peers.copies(peer.address, tuple(vacant))
        except PeerSilent as error:
            _log.warning("a peer does not answer", node=peer.id, why=str(error))
            copies = None
        # What this node has itself is compared with it, and must be as new.
        self._watch.expire()
        self.local.hearing.heard(peer.id, vacant, copies, self._now_ms())

    def _retry_at_ms(self, won: bool, delay_ms: int) -> int | None:  # noqa: FBT001
        return None if won else self._now_ms() + delay_ms


def _batches(hand_overs: list[HandOver]) -> Iterator[list[HandOver]]:
    """As many together as one commit takes."""
    for start in range(0, len(hand_overs), HANDED_TOGETHER_MAX):
        yield hand_overs[start : start + HANDED_TOGETHER_MAX]


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
