"""The loop at the edge: observe, decide, act.

Each turn takes the newest view, decides (``decide``), and carries the actions out
in their order. What the data plane does is done at once (``actuator``); what goes
to the registry runs as a task of its own, and its outcome wakes the next turn.
Without news there are no turns, unless an action says when to look again.

When etcd is away the last view stands and nothing changes: the node serves until
its lease's deadline, the data plane fences itself, and everything comes back by
itself (``membership``). When etcd went back in time, the node stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.port import StoreWentBack
from shoal_coordinator.registry.records import ClusterConfig, CopyId, NodeRegistration
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.actions import Action, HandOver, InstallTopology, LookAgain, Rejoin, TakeOver
from shoal_node.actuator import Actuator
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.decide import decide, is_ready, standing
from shoal_node.errors import ClusterChanged
from shoal_node.fence import Fence
from shoal_node.handover import hand_partition_over
from shoal_node.local import Local
from shoal_node.membership import Membership, MembershipPorts
from shoal_node.policy import Policy
from shoal_node.takeover import take_partition_over

_log = structlog.get_logger(__name__)

_READINESS_POLL_MS = 200
"""How often a node that is not ready looks whether its lease has been renewed."""


@dataclass(frozen=True, slots=True)
class AgentPorts:
    """What the agent reaches the world through."""

    membership: MembershipPorts
    data_plane: DataPlanePort
    fence: Fence
    draw_copy_id: Callable[[], CopyId]


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
        self._ports = ports
        self._world = ports.membership
        self._config = config
        self._policy = policy
        self._actuator = Actuator(ports.data_plane, self.fence, self.local)
        self._view: ClusterView | None = None
        self._first_view = asyncio.Event()
        self._news = asyncio.Event()
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
                while self.local.serving and self._has_successor():
                    self._turned.clear()
                    await self._turned.wait()
        return len(self.local.serving)

    async def leave(self) -> None:
        """Fence, and give the lease back. After ``run`` has ended."""
        await self._membership.leave()

    async def _follow(self) -> None:
        async with contextlib.aclosing(follow(self._world.store, self._world.keys)) as views:
            async for view in views:
                self._check_config(view)
                self._view = view
                self._first_view.set()
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

    def _has_successor(self) -> bool:
        if self._view is None or standing(self._view, self.local) is None:
            return False
        return any(
            node != self.local.node and live.registration.takes_partitions
            for node, live in self._view.nodes.items()
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
                # A turn looks at every partition. Where news comes without end, as
                # when thousands are taken over, it rests for as long as it took, so
                # that half of the time is left for what the turns began.
                await asyncio.sleep(loop.time() - began)

    def _wait_seconds(self) -> float | None:
        waits_ms = []
        if self._look_again_ms is not None:
            waits_ms.append(self._look_again_ms - self._now_ms())
        if self.local.fence_lifted and not self.local.stopping:
            # Readiness follows the deadline, of whose passing and return no news comes.
            waits_ms.append(self._lease_left_ms() if self._ready else _READINESS_POLL_MS)
        return max(1, min(waits_ms)) / 1000 if waits_ms else None

    def _now_ms(self) -> int:
        return self._world.clock_ns() // 1_000_000

    def _lease_left_ms(self) -> int:
        """How long the fence lets requests through if the lease is not renewed; 0: it does not."""
        left_ns = self.fence.times().deadline_ns - self._world.clock_ns()
        return max(0, -(-left_ns // 1_000_000))

    def _turn(self, view: ClusterView) -> None:
        now_ms = self._now_ms()
        self.local.saw(view, now_ms, self._policy.mass_loss_hold_ms)
        for action in decide(view, self.local, now_ms, self._policy):
            self._perform(view, action)
        self._set_ready(ready=is_ready(view, self.local, lease_stands=self._lease_left_ms() > 0))
        self._turned.set()

    def _perform(self, view: ClusterView, action: Action) -> None:
        is_routine = isinstance(action, InstallTopology | LookAgain)
        (_log.debug if is_routine else _log.info)(str(action))
        match action:
            case Rejoin(why=why):
                self._membership.lose(why)
            case LookAgain(at_ms=at_ms):
                known_ms = self._look_again_ms
                self._look_again_ms = at_ms if known_ms is None else min(known_ms, at_ms)
            case TakeOver():
                self.local.began_taking(action.partition)
                self._start(self._take_over(action))
            case HandOver():
                self.local.began_handing(action.partition)
                self._start(self._hand_over(action))
            case _:
                self._actuator.perform(view, action)

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

    async def _take_over(self, action: TakeOver) -> None:
        won = await take_partition_over(
            action,
            self._ports.draw_copy_id(),
            self._world.store,
            self._world.keys,
            self.local,
        )
        retry_at_ms = None if won else self._now_ms() + self._policy.retry_delay_ms
        self.local.ended_taking(action.partition, retry_at_ms)

    async def _hand_over(self, action: HandOver) -> None:
        won = await hand_partition_over(
            action,
            self._ports.draw_copy_id(),
            self._world.store,
            self._world.keys,
            self._ports.data_plane,
            self.local,
            self._world.offload,
        )
        retry_at_ms = None if won else self._now_ms() + self._policy.hand_over_retry_ms
        self.local.ended_handing(action.partition, retry_at_ms)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
