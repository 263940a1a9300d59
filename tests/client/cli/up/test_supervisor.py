"""The supervisor, run as the program it is, with small real processes as children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.cli.up.plan import ProcessSpec, StopRank
from shoal.cli.up.protocol import (
    Event,
    Exited,
    NotStarted,
    Opened,
    Refused,
    Started,
    decode_event,
    encode_start,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who lives")
Eventually = Callable[..., Any]

SLEEP = ("sleep", "600")
STUBBORN = ("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done")


class Supervisor:
    """The program, as the launcher holds it."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shoal.cli.up.supervisor", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def next_event(self) -> Event:
        assert self.process.stdout is not None
        return decode_event(self.process.stdout.readline())

    def opened(self) -> Path:
        event = self.next_event()
        assert isinstance(event, Opened)
        return Path(event.directory)

    def start(self, name: str, *argv: str, rank: StopRank = StopRank.NODE) -> int:
        self.send(ProcessSpec(name, rank, argv))
        event = self.next_event()
        assert isinstance(event, Started)
        assert event.name == name
        return event.pid

    def send(self, spec: ProcessSpec) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode_start(spec))
        self.process.stdin.flush()

    def lose_launcher(self) -> None:
        """What happens when the launcher ends, however it ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        self.lose_launcher()
        try:
            self.process.wait(timeout=20)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    running = Supervisor()
    yield running
    running.close()


def test_the_end_of_the_pipe_ends_everything(
    supervisor: Supervisor, is_gone: Callable[[int], bool]
) -> None:
    directory = supervisor.opened()
    pids = [supervisor.start(f"child-{number}", *SLEEP) for number in range(3)]
    assert directory.exists()
    assert not any(map(is_gone, pids))
    supervisor.lose_launcher()
    assert supervisor.process.wait(timeout=20) == 0
    assert all(map(is_gone, pids))
    assert not directory.exists()


def test_a_launcher_that_was_killed_is_noticed(
    eventually: Eventually, is_gone: Callable[[int], bool], tmp_path: Path
) -> None:
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "from shoal.cli.up.plan import ProcessSpec, StopRank\n"
            "from shoal.cli.up.protocol import encode_start\n"
            "supervisor = subprocess.Popen(\n"
            "    [sys.executable, '-m', 'shoal.cli.up.supervisor', sys.argv[1]],\n"
            "    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)\n"
            "supervisor.stdin.write(\n"
            "    encode_start(ProcessSpec('child', StopRank.NODE, ('sleep', '600'))))\n"
            "supervisor.stdin.flush()\n"
            "supervisor.stdout.readline()\n"
            "started = supervisor.stdout.readline().decode()\n"
            "print(supervisor.pid, started, end='', flush=True)\n"
            "time.sleep(600)\n",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert launcher.stdout is not None
    supervisor_pid, _, started = launcher.stdout.readline().partition(b" ")
    event = decode_event(started)
    assert isinstance(event, Started)
    assert not is_gone(event.pid)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    eventually(lambda: is_gone(event.pid), what="the child is gone")
    eventually(lambda: is_gone(int(supervisor_pid)), what="the supervisor is gone")


def test_a_supervisor_that_was_killed_takes_its_children_along(
    supervisor: Supervisor, eventually: Eventually, is_gone: Callable[[int], bool]
) -> None:
    directory = supervisor.opened()
    pid = supervisor.start("child", *STUBBORN)
    supervisor.process.kill()
    eventually(lambda: is_gone(pid), what="the child is gone")
    for log in directory.rglob("*.log"):
        log.unlink()
    (directory / "lock").unlink()
    (directory / "logs").rmdir()
    directory.rmdir()


def test_a_child_that_dies_is_reaped_reported_and_not_started_again(
    supervisor: Supervisor,
) -> None:
    supervisor.opened()
    pid = supervisor.start("child", *SLEEP)
    os.kill(pid, signal.SIGKILL)
    assert supervisor.next_event() == Exited("child", pid, -signal.SIGKILL)
    assert not Path(f"/proc/{pid}").exists(), "a zombie would still stand there"
    other = supervisor.start("other", *SLEEP)
    assert other != pid


def test_what_cannot_be_started_is_reported(supervisor: Supervisor) -> None:
    supervisor.opened()
    supervisor.send(ProcessSpec("child", StopRank.NODE, ("/no/such/program",)))
    event = supervisor.next_event()
    assert isinstance(event, NotStarted)
    assert "/no/such/program" in event.reason


def test_nodes_stop_first_and_etcd_last(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.opened()
    order = tmp_path / "order"
    ready = tmp_path / "ready"
    ready.mkdir()
    script = 'trap "echo $0 >> $1; exit" TERM; touch $2/$0; while :; do sleep 0.05; done'
    for name, rank in (
        ("etcd", StopRank.ETCD),
        ("coordinator", StopRank.COORDINATOR),
        ("node", StopRank.NODE),
    ):
        supervisor.start(name, "sh", "-c", script, name, str(order), str(ready), rank=rank)
    while len(list(ready.iterdir())) < 3:
        assert supervisor.process.poll() is None
    supervisor.lose_launcher()
    assert supervisor.process.wait(timeout=20) == 0
    assert order.read_text().split() == ["node", "coordinator", "etcd"]


def wait_until_deaf(directory: Path, eventually: Eventually) -> None:
    log = directory / "logs" / "child.log"
    eventually(lambda: log.exists() and "deaf" in log.read_text(), what="it ignores SIGTERM")


def test_a_child_that_ignores_sigterm_is_killed_after_a_grace(
    supervisor: Supervisor, eventually: Eventually, is_gone: Callable[[int], bool]
) -> None:
    directory = supervisor.opened()
    pid = supervisor.start("child", *STUBBORN)
    wait_until_deaf(directory, eventually)
    supervisor.lose_launcher()
    assert supervisor.process.wait(timeout=20) == 0
    assert is_gone(pid)


def test_a_second_signal_kills_at_once(
    supervisor: Supervisor, eventually: Eventually, is_gone: Callable[[int], bool]
) -> None:
    directory = supervisor.opened()
    deaf = supervisor.start("child", *STUBBORN, rank=StopRank.ETCD)
    polite = supervisor.start("polite", *SLEEP, rank=StopRank.NODE)
    wait_until_deaf(directory, eventually)
    supervisor.process.send_signal(signal.SIGTERM)
    assert supervisor.next_event() == Exited("polite", polite, -signal.SIGTERM)
    supervisor.process.send_signal(signal.SIGTERM)
    assert supervisor.process.wait(timeout=3) == 0
    assert is_gone(deaf)


def test_a_directory_that_is_given_is_kept_with_the_logs(tmp_path: Path) -> None:
    supervisor = Supervisor(str(tmp_path / "data"))
    directory = supervisor.opened()
    assert directory == tmp_path / "data"
    pid = supervisor.start("talker", "sh", "-c", "echo to stdout; echo to stderr >&2")
    assert supervisor.next_event() == Exited("talker", pid, 0)
    supervisor.lose_launcher()
    assert supervisor.process.wait(timeout=20) == 0
    supervisor.close()
    assert (directory / "logs" / "talker.log").read_text() == "to stdout\nto stderr\n"


def test_a_directory_in_use_is_refused(supervisor: Supervisor) -> None:
    directory = supervisor.opened()
    second = Supervisor(str(directory))
    event = second.next_event()
    assert isinstance(event, Refused)
    assert "another cluster runs in" in event.reason
    assert second.process.wait(timeout=20) == 0
    second.close()
    supervisor.lose_launcher()
    assert supervisor.process.wait(timeout=20) == 0
