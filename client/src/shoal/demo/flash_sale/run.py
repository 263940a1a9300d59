"""One run, from nothing to its report, and back to nothing.

Everything that is started or created here is entered into one stack, and undone in
reverse order at the end: when the run is over, when it fails, and on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import shoal
from shoal.demo.cluster import OwnCluster, own_cluster
from shoal.demo.events import Awaited, EventKind, Schedule, Scheduled
from shoal.demo.failures import ProcessFailed
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, CatalogShape, ProductId, key_of
from shoal.demo.flash_sale.connect import connect
from shoal.demo.flash_sale.crew import Crew
from shoal.demo.flash_sale.ledger import Ledger
from shoal.demo.flash_sale.live import Display
from shoal.demo.flash_sale.messages import Message, UpdaterTick, WorkerTick
from shoal.demo.flash_sale.origin import SQLITE, Catalog, OriginAddress, open_catalog
from shoal.demo.flash_sale.report import Report, report_of
from shoal.demo.flash_sale.settings import NS_PER_MS, NS_PER_SECOND, Settings
from shoal.demo.flash_sale.updater import UpdaterPlan, updater_main
from shoal.demo.flash_sale.worker import WorkerPlan, worker_main
from shoal.demo.interruption import ignore_signals, stopped_by_signals

_NODES = 3
_SHARE = 0.89
"""Of a fair share: the planner leaves a node with nine tenths of it where it is."""
_LEAD_NS = 300 * NS_PER_MS
"""Between telling the processes when to begin and beginning."""
_GRACE_SECONDS = 45.0
"""How long after the end of the load the last ticks may take."""


def run(settings: Settings, *, cache_url: str | None, origin_url: str, display: Display) -> Report:
    """Raises ``DemoFailed``; leaves nothing behind, also then."""
    with stopped_by_signals(), ExitStack() as stack:
        stack.callback(display.close)
        try:
            return _run(settings, cache_url, origin_url, stack, display)
        finally:
            ignore_signals()
            display.close()
            display.step("Stopping and removing everything ...")


def _run(
    settings: Settings,
    cache_url: str | None,
    origin_url: str,
    stack: ExitStack,
    display: Display,
) -> Report:
    cluster = None
    if cache_url is None:
        display.step(f"Starting a cluster of {_NODES} nodes (shoal up --json) ...")
        cluster = stack.enter_context(own_cluster(f"--nodes={_NODES}"))
    else:
        connect(cache_url).close()  # before anything else is begun
    address = stack.enter_context(_place_for_the_origin(origin_url))
    catalog = _prepared_catalog(address, settings, stack, display)
    if cluster is not None:
        cache_url = cluster.wait_until_ready()
        display.step(f"The cluster serves at {cache_url}")
    assert cache_url is not None
    crew = Crew()
    stack.callback(crew.stop)
    scheduled = [Scheduled(settings.sale_at_seconds, EventKind.SALE_STARTS, "sale starts")]
    awaited = []
    if settings.kill or settings.add_node:
        assert cluster is not None, "--kill and --add-node are refused with --url"
        client = stack.enter_context(shoal.Client.from_url(cluster.url))
        client.topology(timeout="30s")
        if settings.add_node:
            scheduled.append(
                Scheduled(settings.add_at_seconds, EventKind.NODE_ADDED, "{} joins", cluster.add)
            )
            awaited.append(_settled(client, f"node-{_NODES + 1}"))
        if settings.kill:
            scheduled.append(_kill(settings, cluster, client))
    schedule = partial(Schedule, scheduled, awaited)
    return _load(settings, cache_url, address, catalog, crew, display, schedule)


def _settled(client: shoal.Client, node_id: str) -> Awaited:
    """That the node which joined is the primary of its share of the partitions."""

    def subject() -> str | None:
        topology = client.topology()
        served = sum(partition.primary == node_id for partition in topology.partitions)
        share = topology.partition_count / (_NODES + 1)
        return node_id if served >= _SHARE * share else None

    return Awaited(EventKind.NODE_ADDED, EventKind.NODE_SETTLED, "{} has its share", subject)


def _kill(settings: Settings, cluster: OwnCluster, client: shoal.Client) -> Scheduled:
    """The kill of the node that serves the viral product when its time has come."""

    def kill() -> str:
        owner = client.topology().partition_of(key_of(VIRAL_PRODUCT)).primary
        cluster.kill(owner or cluster.node_ids[0])
        return owner or cluster.node_ids[0]

    return Scheduled(settings.kill_at_seconds, EventKind.NODE_KILLED, "kill -9 {}", kill)


def _prepared_catalog(
    address: OriginAddress, settings: Settings, stack: ExitStack, display: Display
) -> Catalog:
    shape = CatalogShape(
        products=settings.products,
        orders=settings.products * 4,
        viral_orders=min(28_000, settings.products),
    )
    display.step(
        f"Filling {_origin_name(address)}: {shape.products:,} products, {shape.orders:,} orders, "
        f"{shape.viral_orders:,} of them for one product ..."
    )
    started = time.monotonic()
    catalog = open_catalog(address)
    stack.callback(catalog.drop)
    catalog.prepare(shape)
    display.step(f"The database is ready after {time.monotonic() - started:.1f} s")
    return catalog


def _load(
    settings: Settings,
    cache_url: str,
    address: OriginAddress,
    catalog: Catalog,
    crew: Crew,
    display: Display,
    make_schedule: Callable[..., Schedule],
) -> Report:
    display.step(f"Starting {settings.workers} workers x {settings.threads} threads ...")
    for index in range(settings.workers):
        crew.spawn(f"worker {index}", worker_main, WorkerPlan(index, settings, cache_url, address))
    crew.spawn("updater", updater_main, UpdaterPlan(settings, cache_url, address))
    crew.wait_until_ready()
    begin_ns = time.monotonic_ns() + _LEAD_NS
    crew.begin(begin_ns)
    ledger = Ledger(settings, begin_ns=begin_ns)
    schedule = make_schedule(begin_ns=begin_ns)
    _listen(crew, ledger, schedule, catalog, display)
    ledger.finish()
    display.close()
    staleness = ledger.oracle.verdict(
        longest_load_ns=ledger.longest_load_ns,
        latest_version=lambda product_id: catalog.latest_version(ProductId(product_id)),
    )
    return report_of(ledger, staleness, origin=_origin_name(address))


def _listen(
    crew: Crew, ledger: Ledger, schedule: Schedule, catalog: Catalog, display: Display
) -> None:
    """Until every process has sent its last tick: takes ticks, acts, shows each second."""
    end_ns = ledger.begin_ns + round(ledger.settings.seconds * NS_PER_SECOND)
    next_second_ns = ledger.begin_ns + NS_PER_SECOND
    while not crew.is_done:
        now_ns = time.monotonic_ns()
        if now_ns > end_ns + _GRACE_SECONDS * NS_PER_SECOND:
            raise ProcessFailed(f"Not every process ended within {_GRACE_SECONDS:.0f} s.")
        for event in schedule.run_due(now_ns):
            ledger.events.append(event)
            display.event(event)
        if now_ns >= next_second_ns:
            display.second(ledger.close_second(now_ns))
            next_second_ns += NS_PER_SECOND
        for _name, message in crew.receive(min(0.1, (next_second_ns - now_ns) / NS_PER_SECOND)):
            _take(message, ledger, catalog)


def _take(message: Message, ledger: Ledger, catalog: Catalog) -> None:
    if isinstance(message, WorkerTick):
        ledger.take_worker(message)
    elif isinstance(message, UpdaterTick):
        # Read after the tick came: it says what the history holds by now, at the least.
        ledger.take_updater(message, catalog.history(ledger.price_changes_learned))


def _origin_name(address: OriginAddress) -> str:
    return "SQLite" if address.url.startswith(SQLITE) else "PostgreSQL"


@contextmanager
def _place_for_the_origin(origin_url: str) -> Iterator[OriginAddress]:
    schema = f"shoal_demo_{uuid4().hex[:12]}"
    if origin_url != SQLITE:
        yield OriginAddress(origin_url, schema)
        return
    descriptor, path = tempfile.mkstemp(prefix="shoal-demo-", suffix=".db")
    os.close(descriptor)
    try:
        yield OriginAddress(f"{SQLITE}:{path}", schema)
    finally:
        Path(path).unlink(missing_ok=True)
