"""The certificates of a process from its start to its end, read anew while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.reloaded import EVERY_SECONDS
from shoal_coordinator.process.tls import TlsContents
from shoal_coordinator.process.tls_settings import TlsSettings
from shoal_coordinator.registry.etcd.credentials import TellCredentials, no_credentials


@dataclass(slots=True)
class RunningTls:
    """``own``: None where the listeners are plain. ``etcd`` tells what etcd is shown."""

    own: LiveTls | None = None
    etcd: TellCredentials = no_credentials
    told: list[Callable[[TlsContents], None]] = field(default_factory=list)
    """Called in the event loop with the process's own contents whenever they have changed. What
    raises BadSettings is told in the log."""


@contextlib.asynccontextmanager
async def running_tls(
    settings: TlsSettings, etcd_urls: str, every_seconds: float = EVERY_SECONDS
) -> AsyncIterator[RunningTls]:
    """Read all files, and look at them again every so often. Raises BadSettings."""
    own, etcd = settings.own_contents(), settings.etcd_contents(etcd_urls)
    running = RunningTls()

    def tell(contents: TlsContents) -> None:
        for told in running.told:
            told(contents)

    keeping: list[asyncio.Task[None]] = []
    if own is not None:
        running.own = LiveTls(lambda: own.content, settings.clients)
        keeping.append(asyncio.create_task(own.keep(tell, every_seconds), name="certificates"))
    if etcd is not None:
        running.etcd = lambda: etcd.content
        keeping.append(
            asyncio.create_task(
                etcd.keep(every_seconds=every_seconds), name="certificates for etcd"
            )
        )
    try:
        yield running
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
