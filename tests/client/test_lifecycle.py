"""Forks, event loops, threads, and clients that nobody closed."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import shoal
import shoal.asyncio

# gRPC's own fork handlers are skipped in a process with calls under way, and then now and
# then crash a thread of the child. What is tested here is what the client says.
NO_GRPC_FORK_HANDLERS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}


def in_fresh_interpreter(code: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run code in a process of its own; it must end by itself, without a traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **(env or {})},
    )
    complaints = [line for line in ended.stderr.splitlines() if "Traceback" in line]
    assert ended.returncode == 0, ended.stderr
    assert not complaints, ended.stderr
    return ended.stdout.strip()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_forked_child_is_told(cluster):
    out = in_fresh_interpreter(
        """
        import os, sys, shoal
        client = shoal.Client.from_url(sys.argv[1], timeout="10s")
        client.set("k", b"v")
        child = os.fork()
        if child == 0:
            try:
                client.get("k")
            except shoal.ForkedClient as error:
                client.close()
                print(error.reason, "one client per process" in str(error), flush=True)
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.get("k") == b"v"
        print("parent goes on")
        """,
        cluster.url,
        env=NO_GRPC_FORK_HANDLERS,
    )
    assert out.splitlines() == ["FORKED_CLIENT True", "parent goes on"]


def test_a_client_that_was_not_used_yet_survives_a_fork(cluster):
    out = in_fresh_interpreter(
        """
        import os, sys, shoal
        client = shoal.Client.from_url(sys.argv[1], timeout="10s")
        child = os.fork()
        if child == 0:
            print(client.set("k", b"v").applied, flush=True)
            client.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        cluster.url,
    )
    assert out == "True"


def test_an_asyncio_client_in_a_forked_child_is_told(cluster):
    out = in_fresh_interpreter(
        """
        import asyncio, os, sys, shoal, shoal.asyncio
        async def main():
            client = shoal.asyncio.Client.from_url(sys.argv[1], timeout="10s")
            await client.set("k", b"v")
            child = os.fork()
            if child == 0:
                try:
                    await client.get("k")
                except shoal.ForkedClient as error:
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            await client.close()
        asyncio.run(main())
        """,
        cluster.url,
        env=NO_GRPC_FORK_HANDLERS,
    )
    assert out == ""


@pytest.mark.parametrize("dropped", ["", "del client; gc.collect()"])
def test_an_unclosed_client_does_not_keep_the_interpreter(cluster, dropped):
    in_fresh_interpreter(
        f"""
        import gc, sys, shoal
        client = shoal.Client.from_url(sys.argv[1], timeout="10s")
        client.set("k", b"v")
        {dropped}
        """,
        cluster.url,
    )


def test_an_unclosed_asyncio_client_does_not_keep_the_interpreter(cluster):
    in_fresh_interpreter(
        """
        import asyncio, sys, shoal.asyncio
        async def main():
            client = shoal.asyncio.Client.from_url(sys.argv[1], timeout="10s")
            await client.set("k", b"v")
        asyncio.run(main())
        """,
        cluster.url,
    )


def test_a_dropped_client_is_collected_and_ends_its_watch(cluster, eventually):
    client = shoal.Client.from_url(cluster.url, timeout="10s")
    client.topology()
    assert cluster.watchers == 1
    del client
    gc.collect()
    eventually(lambda: cluster.watchers == 0, what="the watch to end")
    eventually(
        lambda: not [t for t in threading.enumerate() if t.name == "shoal-topology"],
        what="the thread to end",
    )


async def test_a_dropped_asyncio_client_is_collected_and_ends_its_watch(cluster):
    client = shoal.asyncio.Client.from_url(cluster.url, timeout="10s")
    await client.topology()
    assert cluster.watchers == 1
    del client
    gc.collect()
    await until(lambda: not cluster.watchers)
    await until(lambda: not [t for t in asyncio.all_tasks() if t.get_name() == "shoal-topology"])


def test_another_event_loop_is_told(cluster):
    client = shoal.asyncio.Client.from_url(cluster.url, timeout="10s")

    async def use():
        return await client.set("k", b"v")

    assert asyncio.run(use())
    with pytest.raises(shoal.WrongEventLoop, match="closed now") as caught:
        asyncio.run(use())
    assert caught.value.reason == "WRONG_EVENT_LOOP"


async def test_another_running_event_loop_is_told(cluster):
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        await client.get("k")
        with pytest.raises(shoal.WrongEventLoop, match="another one"):
            await asyncio.to_thread(asyncio.run, client.get("k"))


async def test_cancelling_a_call_cancels_the_caller_alone(cluster):
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="30s") as client:
        await client.topology()
        cluster.owner("k").hang_next("Set")
        call = asyncio.create_task(client.set("k", b"v"))
        await until(lambda: cluster.owner("k").requests("Set"))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await client.set("k", b"w")


async def test_closing_under_a_call_is_told(cluster):
    client = shoal.asyncio.Client.from_url(cluster.url, timeout="30s")
    await client.topology()
    cluster.owner("k").hang_next("Set")
    call = asyncio.create_task(client.set("k", b"v"))
    await until(lambda: cluster.owner("k").requests("Set"))
    await client.close()
    with pytest.raises(shoal.ClientClosed):
        await call


async def test_closing_under_many_calls_is_told(cluster):
    client = shoal.asyncio.Client.from_url(cluster.url, timeout="30s")
    await client.topology()
    for node in cluster.nodes.values():
        node.hang_next("MSet")
    call = asyncio.create_task(client.set_many({f"key:{n}": b"v" for n in range(50)}))
    await until(lambda: all(node.requests("MSet") for node in cluster.nodes.values()))
    await client.close()
    with pytest.raises(shoal.ClientClosed):
        await call


def test_closing_under_many_blocked_calls_is_told(cluster, eventually):
    client = shoal.Client.from_url(cluster.url, timeout="30s")
    client.topology()
    for node in cluster.nodes.values():
        node.hang_next("MSet")
    with ThreadPoolExecutor(1) as executor:
        call = executor.submit(client.set_many, {f"key:{n}": b"v" for n in range(50)})
        eventually(
            lambda: all(node.requests("MSet") for node in cluster.nodes.values()), what="requests"
        )
        client.close()
        with pytest.raises(shoal.ClientClosed):
            call.result(10)


def test_closing_under_a_blocked_call_is_told(cluster, eventually):
    client = shoal.Client.from_url(cluster.url, timeout="30s")
    client.topology()
    cluster.owner("k").hang_next("Set")
    with ThreadPoolExecutor(1) as executor:
        call = executor.submit(client.set, "k", b"v")
        eventually(lambda: cluster.owner("k").requests("Set"), what="the request")
        client.close()
        with pytest.raises(shoal.ClientClosed):
            call.result(10)


def test_threads_share_a_client(cluster):
    with (
        shoal.Client.from_url(cluster.url, timeout="20s") as client,
        ThreadPoolExecutor(8) as executor,
    ):
        list(executor.map(lambda _: client.incr("n"), range(200)))
        assert client.get("n") == b"200"
        threads = [t for t in threading.enumerate() if t.name == "shoal-topology"]
        assert len(threads) == 1


async def test_tasks_share_a_client(cluster):
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="20s") as client:
        await asyncio.gather(*(client.incr("n") for _ in range(200)))
        assert await client.get("n") == b"200"
