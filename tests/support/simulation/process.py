"""A node in the simulation: the real agent, driven by events instead of an event loop.

Everything that the agent decides and does is its own code, down to its registration.
What drives it is here: a new view, news of replication, and time let it take its turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from shoal_coordinator.registry.operations import partitions, settle
from shoal_coordinator.registry.port import Lease, Store
from shoal_coordinator.registry.records import ClusterConfig, Incarnation, NodeId, NodeRegistration
from shoal_coordinator.registry.upkeep import UpkeepCallbacks
from shoal_coordinator.registry.view import ClusterView
from shoal_node import actuator, agent, handover, membership, record_change, takeover
from shoal_node.agent import Agent, AgentPorts
from shoal_node.agent_counts import AgentCounts
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.errors import NodeError
from shoal_node.fence import Fence
from shoal_node.membership import MembershipPorts
from shoal_node.policy import Policy
from shoal_node.timing import Timing
from simulation.coroutines import RUNNING, Asyncio, Sleep, Task
from simulation.etcd import Connection, SimulatedEtcd, Upkeep, Watch
from simulation.events import SECOND_US, Events
from simulation.host import Host
from simulation.mutants import Mutant, guards_kept, replaced
from simulation.plane import SimulatedPlane
from simulation.streams import SimulatedPeers, Streams
from watched_etcd import KEYS

if TYPE_CHECKING:
    from simulation.cluster import Cluster

_LOOK_US = 250_000
_REST_US = round(agent._TURN_REST_SECONDS * SECOND_US)
_RESTING_SHARE = 0.5
"""Of the processes rest between turns as a node's loop does; the others are at once where
news are, so that each step of a change may meet one that is quicker than a node is."""
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Terrain:
    """What processes run on."""

    events: Events
    etcd: SimulatedEtcd
    streams: Streams
    config: ClusterConfig
    timing: Timing
    mutant: Mutant


class _Failures:
    """In place of the future by which an agent ends."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self.set_exception = failed

    def done(self) -> bool:
        return False


class Process(Host):
    """One run of one node."""

    def __init__(
        self,
        cluster: Cluster,
        terrain: Terrain,
        node: NodeId,
        rng: random.Random,
        log_bytes: int,
        mark: str | None = None,
    ) -> None:
        """``mark``: of a listener that the node did not have before."""
        super().__init__(terrain.events, node if mark is None else f"{node}@{mark}", rng)
        self.node = node
        self.incarnation = Incarnation(f"{mark or f'mark{node}'}-{rng.getrandbits(64):016x}")
        self.run = str(self.incarnation)
        self.began_us = terrain.events.now_us
        self.wedged_until_us = 0
        """Its data path answers no probe."""
        self.plane = SimulatedPlane(self, node, terrain.config.partition_count, log_bytes, cluster)
        self.is_stopping = False
        self.upkeeps: list[Upkeep] = []
        self._cluster = cluster
        self._terrain = terrain
        self._is_turn_due = False
        self._rest_us = _REST_US if rng.random() < _RESTING_SHARE else 0
        self._rests_until_us = 0
        self._is_look_due = False
        self._wakes_us: int | None = None
        self._news = -1
        self._policy = terrain.timing.policy
        self.agent = self._make_agent(terrain, self._policy)
        self.agent._news.rung = self._rung  # type: ignore[attr-defined]
        self.agent._failed = _Failures(self._failed)  # type: ignore[assignment]
        self._watch = Watch(self, terrain.etcd, self._saw)
        self._joining = Task(self, self.agent._join())
        self._joining.add_done_callback(self._ended)
        self.after(rng.uniform(0, _LOOK_US), self._look_now_and_then)

    def _make_agent(self, terrain: Terrain, policy: Policy) -> Agent:
        etcd = terrain.etcd

        def make_upkeep(lease: Lease, granted_ns: int, callbacks: UpkeepCallbacks) -> Upkeep:
            late = terrain.mutant is Mutant.DEADLINE_FROM_ANSWER
            upkeep = Upkeep(self, etcd, lease, granted_ns, callbacks, terrain.timing.upkeep, late)
            self.upkeeps.append(upkeep)
            return upkeep

        async def offload(work: Callable[[], object]) -> object:
            await Sleep(self.rng.uniform(50, 2_000))
            done = work()
            return await done if isinstance(done, Coroutine) else done

        registration = NodeRegistration(
            self.node, self.name, "", 100, self.incarnation, "0", "http://localhost"
        )
        connection = Connection(
            etcd,
            self.incarnation,
            lambda guards, changes: guards_kept(terrain.mutant, self.node, guards, changes),
        )
        fence = Fence(self.plane.set_lease_deadline, self.now_ns)
        if terrain.mutant is Mutant.FENCE_LIFTED_EARLY:
            begin = fence.begin

            def begin_lifted(lease: Any) -> None:
                begin(lease)
                fence.lift(lease)

            fence.begin = begin_lifted  # type: ignore[method-assign]
        ports = AgentPorts(
            MembershipPorts(
                cast("Store", connection),
                KEYS,
                lambda: self.events.now_us >= self.wedged_until_us,
                make_upkeep,
                self.now_ns,
                offload,
            ),
            cast("DataPlanePort", self.plane),
            fence,
            SimulatedPeers(terrain.streams),
            lambda: f"{self.rng.getrandbits(64):016x}",
            AgentCounts(),
        )
        return Agent(ports, registration, terrain.config, policy)

    # What lets the agent take its turn.

    def _saw(self, view: ClusterView) -> None:
        RUNNING.host = self
        try:
            self.agent._saw(view)
        except Exception as error:  # noqa: BLE001  as the task that follows etcd would end
            self._failed(error)

    def _rung(self) -> None:
        if not self._is_turn_due:
            self._is_turn_due = True
            due_us = 50 + 1_450 * self.rng.random()
            if not self.agent._urgent.is_set():
                due_us = max(due_us, self._rests_until_us - self.events.now_us)
            self.after(due_us, self._turn)

    def _turn(self) -> None:
        self._is_turn_due = False
        agent = self.agent
        if agent._view is None or not self.is_alive:
            return
        agent._news.clear()
        agent._urgent.clear()
        agent._look_again_ms = None
        self._rests_until_us = self.events.now_us + self._rest_us
        RUNNING.host = self
        try:
            agent._turn(agent._view)
        except Exception as error:  # noqa: BLE001  as a turn's task would end with it
            self._failed(error)
            return
        wait_seconds = agent._wait_seconds()
        if wait_seconds is not None:
            at_us = self.now_us() + int(wait_seconds * SECOND_US)
            if self._wakes_us is None or at_us < self._wakes_us:
                self._wakes_us = at_us
                self.after(at_us - self.now_us() + 1, self._wake, at_us)

    def _wake(self, at_us: int) -> None:
        """Time has come, although nothing happened."""
        if self._wakes_us == at_us:
            self._wakes_us = None
            self._rung()

    def heard(self) -> None:
        """Something came from another node, or a role has changed."""
        news = self.plane.copies.news()
        if news != self._news:
            self._news = news
            if not self._is_look_due:
                self._is_look_due = True
                poll_us = self._policy.replication_poll_ms * 1_000
                self.after(poll_us * self.rng.random(), self._look)
        self._cluster.heard(self)

    def _look(self) -> None:
        self._is_look_due = False
        if self.agent._watch.look(self.now_ms()):
            self._rung()
            if self.agent.local.joining and not self._is_look_due:
                self._is_look_due = True
                self.after(self._policy.replication_poll_ms * 1_000, self._look)

    def _look_now_and_then(self) -> None:
        self.plane.copies.tend(self.now_ms())
        if not self._is_look_due:
            self._look()
        self.after(_LOOK_US, self._look_now_and_then)

    @property
    def is_registered(self) -> bool:
        """Whether its key stands in etcd."""
        return self._terrain.etcd.incarnation_of(self.node) == self.incarnation

    def heal(self) -> None:
        super().heal()
        self.wedged_until_us = 0

    # Its end.

    def crash(self) -> None:
        """Die at once: what was sent is still on its way."""
        if self.is_alive:
            self.is_alive = False
            self._cluster.came_or_went()
            self._watch.stop()
            self._terrain.streams.ended(self)

    def stop(self, ended: Callable[[], object]) -> None:
        """Stop as SIGTERM makes a node stop."""
        self.is_stopping = True
        Task(self, self._stop(ended))

    async def _stop(self, ended: Callable[[], object]) -> None:
        await self.agent.hand_over_everything(_STOP_SECONDS)
        self.agent.fence.fall()
        await self.agent.leave()
        self.crash()
        ended()

    def _ended(self, task: Task) -> None:
        error = task.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self.crash()
        if not isinstance(error, NodeError):
            self._cluster.broken.append(f"{self.node} died of {error!r}")
        self._cluster.restart_later(self.node, SECOND_US)


class _Silence:
    """Logs nothing, quickly."""

    def debug(self, *_: object, **__: object) -> None: ...

    info = warning = error = debug

    def bind(self) -> Self:
        return self


class _NoTopology:
    """Clients look at the records themselves."""

    def serialized(self, _view: ClusterView) -> bytes:
        return b""


@contextmanager
def driven_by_events() -> Iterator[None]:
    """Have agents and operations use ``Asyncio`` for the module, and say nothing."""
    silence = _Silence()
    with ExitStack() as stack:
        for module in (agent, membership, handover, record_change, settle, partitions):
            stack.enter_context(replaced(module, "asyncio", Asyncio))
        for module in (agent, membership, handover, record_change, actuator, takeover):
            stack.enter_context(replaced(module, "_log", silence))
        stack.enter_context(replaced(actuator, "TopologyWriter", _NoTopology))
        stack.callback(RUNNING.forget)
        yield
