"""One coordinator: follows the registry, serves, stands for election, and leads when elected."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from functools import partial

import structlog

from shoal_coordinator.access.running import running_access
from shoal_coordinator.alarms.alarm import Alarm
from shoal_coordinator.creation import create_or_join
from shoal_coordinator.election.act import Actor, LeadershipLost
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planner, lead
from shoal_coordinator.election.pulse import Pulse
from shoal_coordinator.election.term import Candidate, Term, watch_over
from shoal_coordinator.errors import EtcdWentBack
from shoal_coordinator.process.http_server import HttpServer
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.running_tls import running_tls
from shoal_coordinator.rebalance.keeper import Keeper
from shoal_coordinator.registry.etcd import open_store
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import change_config, change_membership
from shoal_coordinator.registry.port import Store, StoreError, StoreWentBack
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.service.admin import Changers
from shoal_coordinator.service.metrics import Metrics, serve_metrics
from shoal_coordinator.service.server import Server
from shoal_coordinator.settings import CoordinatorSettings

_log = structlog.get_logger(__name__)
_STOP_GRACE_SECONDS = 1.0
_RETRY_SECONDS = 0.5


class Coordinator:
    """Runs over a store until it is cancelled. ``leads`` tells whether it does now."""

    def __init__(
        self, store: Store, keys: Keys, settings: CoordinatorSettings, tls: LiveTls | None = None
    ) -> None:
        self.latest = LatestView()
        self.term: Term | None = None
        self._keeper: Keeper | None = None
        self.metrics = Metrics(lambda: self.latest.view, lambda: self.leads, self._alarms)
        self._store = store
        self._keys = keys
        self._settings = settings
        self._tls = tls

    @property
    def leads(self) -> bool:
        return self.term is not None and not self.term.ended.done()

    @property
    def keeper(self) -> Keeper | None:
        """While this coordinator leads."""
        return self._keeper if self.leads else None

    def _alarms(self) -> tuple[Alarm, ...]:
        """None while another leads: it tells them."""
        keeper, view = self.keeper, self.latest.view
        return () if keeper is None or view is None else keeper.alarms(view)

    async def run(self, address: str, lease_ttl_seconds: int) -> None:
        """Follow, and lead whenever elected. Raises StoreWentBack."""
        pulse = Pulse(time.monotonic, silence_seconds_max=float(lease_ttl_seconds))
        candidate = Candidate(
            self._store,
            self._keys,
            CoordinatorLeader(self._settings.id, address),
            lease_ttl_seconds,
            pulse.is_felt,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                tasks.create_task(pulse.beat())
                tasks.create_task(self._stand_and_lead(candidate))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _follow(self) -> None:
        async with contextlib.aclosing(follow(self._store, self._keys)) as views:
            async for view in views:
                await self.latest.put(view)

    async def _stand_and_lead(self, candidate: Candidate) -> None:
        while True:
            await self.latest.until(lambda view: view.leader is None)
            try:
                term = await candidate.stand()
            except StoreWentBack:
                raise
            except StoreError as error:
                _log.warning("cannot stand for election now", why=str(error))
                term = None
            if term is None:
                # Whoever was elected shows in the view soon.
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await self._lead(candidate, term)

    async def _lead(self, candidate: Candidate, term: Term) -> None:
        """Lead until the term ends or this is cancelled; then resign."""
        _log.info("elected: this coordinator leads now")
        self.term = term
        created = term.leadership.create_revision
        planner = Planner(self._settings.plan, time.monotonic)
        actor = Actor(self._store, self._keys, term.leadership, self.metrics)
        leading = asyncio.create_task(lead(self.latest, planner, actor, created))
        watching = asyncio.create_task(watch_over(term, self.latest))
        self._keeper = Keeper(
            self._store, self._keys, term.leadership, planner, self.latest, self._tls
        )
        keeping = asyncio.create_task(self._keeper.run())
        try:
            await asyncio.wait({leading, watching, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                await keeping
            if leading.done():
                with contextlib.suppress(LeadershipLost):
                    await leading
                term.end("a write found that the election does not stand any more")
            _log.warning(f"leadership lost: {term.ended.result()}")
        finally:
            term.end("stopping")
            for task in (leading, watching, keeping):
                task.cancel()
            await asyncio.gather(leading, watching, keeping, return_exceptions=True)
            self.term = self._keeper = None
            await asyncio.shield(candidate.close(term))
        # Until the view shows it, the old election would look like somebody else's.
        await self.latest.until(
            lambda view: view.leader is None or view.leader.create_revision != created
        )


async def run_coordinator(settings: CoordinatorSettings, stop: asyncio.Event) -> None:
    """Run one coordinator's process until ``stop``. Raises CoordinatorError and BadSettings."""
    keys = Keys(settings.cluster)
    async with contextlib.AsyncExitStack() as stack:
        tls = await stack.enter_async_context(running_tls(settings.tls, settings.etcd))
        access = await stack.enter_async_context(running_access(settings.access))
        store = open_store(settings.etcd, credentials=tls.etcd)
        stack.push_async_callback(store.close)
        coordinator = Coordinator(store, keys, settings, tls.own)
        changers = Changers(
            partial(change_config, store, keys), partial(change_membership, store, keys)
        )
        server = Server(
            lambda: coordinator.latest.view,
            changers,
            lambda: coordinator.keeper,
            tls.own,
            lambda: access.access,
        )
        metrics: HttpServer | None = None
        stack.push_async_callback(server.stop, _STOP_GRACE_SECONDS)
        bound = await server.start(settings.listen)
        if settings.metrics_listen is not None:
            metrics = serve_metrics(coordinator.metrics, settings.metrics_listen, tls.own)
            stack.push_async_callback(asyncio.to_thread, metrics.close)
        try:
            config = await create_or_join(store, keys, settings, uuid.uuid4().hex)
            address = str(settings.advertise or bound)
            _log.info(
                f"serving at {bound}",
                address=address,
                metrics=None if metrics is None else metrics.url("/metrics"),
            )
            await _until_stopped(coordinator, server, address, config.lease_ttl_seconds, stop)
        except StoreWentBack as error:
            raise EtcdWentBack(str(error)) from error


async def _until_stopped(
    coordinator: Coordinator,
    server: Server,
    address: str,
    lease_ttl_seconds: int,
    stop: asyncio.Event,
) -> None:
    async def ready() -> None:
        await coordinator.latest.until(lambda _: True)
        await server.be_ready()

    running = asyncio.create_task(coordinator.run(address, lease_ttl_seconds))
    stopping = asyncio.create_task(stop.wait())
    getting_ready = asyncio.create_task(ready())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        for task in (running, stopping, getting_ready):
            task.cancel()
        await asyncio.gather(running, stopping, getting_ready, return_exceptions=True)
