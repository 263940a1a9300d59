"""The launcher's end of the supervisor, with a real supervisor and small processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from shoal.cli.exit_codes import ExitCode
from shoal.cli.up.failures import SupervisorFailed
from shoal.cli.up.interrupts import Interrupted, Interrupts
from shoal.cli.up.plan import ProcessSpec, StopRank
from shoal.cli.up.supervised import Ended, ProcessState, Running, Supervised, describe_exit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who lives")

CHILD = ProcessSpec("child", StopRank.NODE, ("sleep", "600"))
WITHIN_SECONDS = 20.0


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    # Under nohup SIGHUP is ignored, and stays so.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with Interrupts() as caught:
            yield caught
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_for(supervised: Supervised, name: str, kind: type[ProcessState]) -> ProcessState:
    deadline = monotonic() + WITHIN_SECONDS
    while not isinstance(state := supervised.states[name], kind):
        assert monotonic() < deadline, f"{name} is still {state}"
        supervised.wait(1.0)
    return state


def started(supervised: Supervised) -> int:
    supervised.start(CHILD)
    state = wait_for(supervised, "child", Running)
    assert isinstance(state, Running)
    return state.pid


def test_leaving_stops_everything(interrupts: Interrupts, is_gone: Callable[[int], bool]) -> None:
    with Supervised(None, interrupts) as supervised:
        pid = started(supervised)
        assert supervised.pids == {"child": pid}
        directory = supervised.directory
        assert directory.exists()
    assert is_gone(pid)
    assert not directory.exists()


def test_a_child_that_was_killed_is_down_and_may_be_started_again(interrupts: Interrupts) -> None:
    with Supervised(None, interrupts) as supervised:
        pid = started(supervised)
        os.kill(pid, signal.SIGKILL)
        assert wait_for(supervised, "child", Ended) == Ended(pid, "killed by SIGKILL")
        assert supervised.pids == {}
        assert started(supervised) != pid


def test_what_cannot_be_started_has_ended(interrupts: Interrupts) -> None:
    with Supervised(None, interrupts) as supervised:
        supervised.start(ProcessSpec("child", StopRank.NODE, ("/no/such/program",)))
        state = wait_for(supervised, "child", Ended)
        assert isinstance(state, Ended)
        assert "could not be started" in state.how


@pytest.mark.parametrize(
    ("signum", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.DONE),
        (signal.SIGHUP, ExitCode.DONE),
    ],
)
def test_a_signal_ends_the_wait_and_with_it_everything(
    interrupts: Interrupts,
    is_gone: Callable[[int], bool],
    signum: signal.Signals,
    code: ExitCode,
) -> None:
    with Supervised(None, interrupts) as supervised:
        pid = started(supervised)
        os.kill(os.getpid(), signum)
        with pytest.raises(Interrupted) as caught:
            supervised.sleep(WITHIN_SECONDS)
    assert caught.value.exit_code is code
    assert is_gone(pid)


def test_a_supervisor_that_was_killed_is_an_error_and_leaves_nothing(
    interrupts: Interrupts, is_gone: Callable[[int], bool]
) -> None:
    with Supervised(None, interrupts) as supervised:
        pid = started(supervised)
        directory = supervised.directory
        supervisor_pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor_pid, signal.SIGKILL)
        with pytest.raises(SupervisorFailed):
            supervised.sleep(WITHIN_SECONDS)
    deadline = monotonic() + WITHIN_SECONDS
    while not is_gone(pid):
        assert monotonic() < deadline
    assert not directory.exists()


def test_a_directory_in_use_is_told(interrupts: Interrupts, tmp_path: Path) -> None:
    with (
        Supervised(tmp_path, interrupts),
        pytest.raises(SupervisorFailed, match="another cluster"),
        Supervised(tmp_path, interrupts),
    ):
        pytest.fail("two clusters in one directory")


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exited with code 0"), (2, "exited with code 2"), (-9, "killed by SIGKILL")],
)
def test_how_a_process_ended(code: int, text: str) -> None:
    assert describe_exit(code) == text
