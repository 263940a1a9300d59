"""Runs operations that await, by events: what of ``asyncio`` they use, and nothing else.

``Asyncio`` stands in for the module in those that are simulated. There is no loop that
looks for work: what is awaited says when the operation goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol, cast

from simulation.events import SECOND_US
from simulation.host import Host


class Awaited(Protocol):
    """What a coroutine may wait for here."""

    def begin(self, task: Task, turn: int) -> None:
        """Have ``task.step(turn, ...)`` called when it is there."""
        ...


class Task:
    """One operation of a process. It ends with the process, wherever it is."""

    def __init__(self, host: Host, work: Coroutine[Any, Any, Any]) -> None:
        self.host = host
        self._work = work
        self._turn = 0
        self._is_done = False
        self.result: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Task], object]] = []
        self.step(0)

    def step(self, turn: int, value: object = None, error: BaseException | None = None) -> None:
        """Go on, unless what it waited for then has come to nothing meanwhile."""
        if turn != self._turn or self._is_done:
            return
        self._turn += 1
        before_task, before_host = RUNNING.task, RUNNING.host
        RUNNING.task, RUNNING.host = self, self.host
        try:
            wanted = self._work.send(value) if error is None else self._work.throw(error)
        except StopIteration as end:
            self.result = end.value
            self._end(None)
            return
        except Exception as raised:  # noqa: BLE001  it is told to whoever asks for it
            self._end(raised)
            return
        finally:
            RUNNING.task, RUNNING.host = before_task, before_host
        wanted.begin(self, self._turn)

    def interrupt(self, error: BaseException) -> None:
        """Have what it awaits now raise."""
        self.step(self._turn, None, error)

    def cancel(self) -> None:
        self._is_done = True
        self._work.close()

    def cancelled(self) -> bool:
        return False

    def exception(self) -> BaseException | None:
        return self._error

    def add_done_callback(self, callback: Callable[[Task], object]) -> None:
        if self._is_done:
            self.host.after(0, callback, self)
        else:
            self._callbacks.append(callback)

    def _end(self, error: BaseException | None) -> None:
        self._is_done = True
        self._error = error
        for callback in self._callbacks:
            self.host.after(0, callback, self)


class _Running:
    """What runs now. Not of the class: each time one is written what is known of it is lost."""

    task: Task
    host: Host
    """On whose behalf: whose a new task is."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing runs: of what ran nothing is kept."""
        self.task = cast("Task", None)
        self.host = cast("Host", None)


RUNNING = _Running()


class Sleep:
    """For so long, by the clock of whoever sleeps."""

    def __init__(self, delay_us: float) -> None:
        self._delay_us = delay_us

    def __await__(self) -> Generator[Sleep, object, object]:
        return (yield self)

    def begin(self, task: Task, turn: int) -> None:
        task.host.after(self._delay_us, task.step, turn)


class Future:
    """A value that comes later."""

    def __init__(self) -> None:
        self._is_done = False
        self._value: object = None
        self._waiting: list[tuple[Task, int]] = []

    def __await__(self) -> Generator[Future, object, object]:
        if not self._is_done:
            yield self
        return self._value

    def begin(self, task: Task, turn: int) -> None:
        self._waiting.append((task, turn))

    def done(self) -> bool:
        return self._is_done

    def set_result(self, value: object) -> None:
        self._is_done, self._value = True, value
        waiting, self._waiting = self._waiting, []
        for task, turn in waiting:
            task.host.after(0, task.step, turn)

    def set_exception(self, error: BaseException) -> None:
        raise error


class Bell:
    """An ``Event``. ``rung`` is called when it is set, too."""

    def __init__(self) -> None:
        self.rung: Callable[[], object] | None = None
        self._is_set = False
        self._next: Future | None = None
        """What is waited for; None: nobody waits."""

    def set(self) -> None:
        if self.rung is not None:
            self.rung()
        self._is_set = True
        if self._next is not None:
            waited_for, self._next = self._next, None
            waited_for.set_result(None)

    def clear(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    async def wait(self) -> None:
        if not self._is_set:
            if self._next is None:
                self._next = Future()
            await self._next


class _Timeout:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    async def __aenter__(self) -> None:
        self._task = RUNNING.task
        self._task.host.after(self._seconds * SECOND_US, self._expire)

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True

    def _expire(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._task.interrupt(TimeoutError())


class _Loop:
    def create_future(self) -> Future:
        return Future()

    def call_soon_threadsafe(self, work: Callable[..., object], *args: object) -> None:
        # Called where no task runs, too: it is done at once, as there is one thread.
        work(*args)


class Asyncio:
    """In place of the module, in what is simulated."""

    Event = Bell
    timeout = _Timeout
    _loop = _Loop()

    @staticmethod
    async def sleep(seconds: float) -> None:
        await Sleep(seconds * SECOND_US)

    @staticmethod
    def get_running_loop() -> _Loop:
        return Asyncio._loop

    @staticmethod
    async def gather(
        *works: Coroutine[Any, Any, Any], return_exceptions: bool = False
    ) -> list[Any]:
        tasks = [Task(RUNNING.host, work) for work in works]
        results: list[Any] = []
        for task in tasks:
            ended = Future()
            task.add_done_callback(ended.set_result)
            await ended
            error = task.exception()
            if error is not None and not return_exceptions:
                raise error
            results.append(task.result if error is None else error)
        return results

    @staticmethod
    def create_task(work: Coroutine[Any, Any, Any]) -> Task:
        return Task(RUNNING.host, work)
