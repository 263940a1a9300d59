"""An etcd that speaks TLS and wants to be shown a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import LOOPBACK, Authority, WrittenTls, write_at_once
from etcd_process import EtcdProcess
from shoal_coordinator.process.tls import EtcdTlsFiles
from shoal_coordinator.registry.etcd import EtcdSettings, EtcdStore, open_store
from shoal_coordinator.registry.etcd.credentials import EtcdCredentials
from shoal_coordinator.registry.port import Changed, Events, Put, Revision, StoreUnavailable

pytestmark = pytest.mark.etcd


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def etcd(etcd_binary: Path, tmp_path: Path, authority: Authority) -> Iterator[EtcdProcess]:
    served = authority.write(tmp_path, "etcd", *LOOPBACK)
    process = EtcdProcess(etcd_binary, tmp_path / "etcd", tls=served)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@pytest.fixture
def own(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "own", "shoal")


def read(written: WrittenTls) -> EtcdCredentials:
    return EtcdTlsFiles(written.authority, written.certificate, written.key).read()


async def put(store: EtcdStore, key: str, value: bytes) -> Revision:
    return (await store.commit((), (Put(key, value),))).revision


async def next_keys(watch: AsyncGenerator[Events]) -> list[str]:
    async with asyncio.timeout(10):
        async for told in watch:
            if told.events:
                return [event.item.key for event in told.events if isinstance(event, Changed)]
    raise AssertionError("the watch ended")


async def test_everything_goes_over_tls_and_on_when_all_certificates_are_replaced(
    etcd: EtcdProcess, own: WrittenTls, quick: EtcdSettings, tmp_path: Path
) -> None:
    given = [read(own)]
    store = open_store(etcd.url, quick, lambda: given[-1])
    lease = await store.grant_lease(60)
    keeper = store.lease_keeper()
    assert await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0) == 60
    watch = store.watch("a/", await put(store, "a/0", b"0"))
    try:
        await put(store, "a/1", b"1")
        assert await next_keys(watch) == ["a/1"]

        # Another authority, for etcd and for who calls it.
        other = Authority()
        assert etcd.tls is not None
        for written in (etcd.tls, own):
            written.replace(other.issue(*LOOPBACK))
            write_at_once(written.authority, other.certificate)
        etcd.kill()
        await asyncio.to_thread(etcd.start)
        with pytest.raises(StoreUnavailable, match="or the certificates do not fit"):
            await store.read("a/")
        given.append(read(own))

        assert len((await store.read("a/")).items) == 2
        await put(store, "a/2", b"2")
        assert await next_keys(watch) == ["a/2"]
        with pytest.raises(StoreUnavailable):
            await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0)
        assert await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0) == 60
    finally:
        await watch.aclose()
        keeper.close()
        await store.close()


async def test_a_connection_that_stands_is_not_given_up_for_other_certificates(
    etcd: EtcdProcess,
    own: WrittenTls,
    quick: EtcdSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [read(own)]
    store = open_store(etcd.url, quick, lambda: given[-1])
    lease = await store.grant_lease(60)
    keeper = store.lease_keeper()
    watch = store.watch("a/", await put(store, "a/0", b"0"))
    try:
        assert await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0) == 60
        await put(store, "a/1", b"1")
        await next_keys(watch)
        # etcd knows nothing of this authority.
        own.replace(Authority().issue("shoal"))
        given.append(read(own))
        await put(store, "a/2", b"2")
        assert await next_keys(watch) == ["a/2"]
        assert await asyncio.to_thread(keeper.keep_alive, lease.id, 2.0) == 60
        assert "etcd_watch_reopened" not in capsys.readouterr().out
    finally:
        await watch.aclose()
        keeper.close()
        await store.close()


async def test_who_shows_none_or_trusts_another_is_not_served(
    etcd: EtcdProcess, own: WrittenTls, quick: EtcdSettings
) -> None:
    shown = read(own)
    strangers = (
        EtcdCredentials(shown.authority),
        EtcdCredentials(Authority().certificate, shown.certificate, shown.key),
        EtcdCredentials(),
    )
    hasty = replace(quick, give_up_seconds=1.2)
    await asyncio.gather(*(_is_refused(etcd, hasty, shown) for shown in strangers))


async def _is_refused(etcd: EtcdProcess, hasty: EtcdSettings, shown: EtcdCredentials) -> None:
    store = open_store(etcd.url, hasty, lambda: shown)
    with pytest.raises(StoreUnavailable, match="or the certificates do not fit"):
        await store.read("a/")
    await store.close()
