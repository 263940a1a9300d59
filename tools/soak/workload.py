"""Clients that make a history: threads with their own seeds, at a bounded rate.

Three clients of the cluster are shared by all threads. ``once`` makes one attempt for each
call, so that what was answered has no second attempt that is still on its way: registers
and deletes need that. ``persistent`` is the client as applications use it: its retries are
what counters, adds and compare-and-set test. ``patient`` waits for longer than a failover
takes; every fourth thread counts with it, so that one call is repeated across a failover.

Invariants: no value of a key is written twice; a call's outcome is what the client's
exception says it is.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.soak.checks.judge import ADD, COUNTER, PRIMARY_ADD, REGISTER, SESSION, WEAK
from tools.soak.history import IN_SYNC, PRIMARY, History, Kind, Operation, Outcome

import shoal

_READ_SECONDS_MAX = 30.0
_PATIENT_EVERY = 4


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what. Keys are new for every ``name``."""

    name: str
    seed: int
    threads: int = 24
    operations_per_second: int = 400
    registers: int = 24
    weak_registers: int = 8
    counters: int = 6
    session_keys: int = 6
    once_timeout: str = "400ms"
    once_attempts: int = 1
    """More only where no attempt can be overtaken by what follows: where nothing fails."""
    persistent_timeout: str = "1500ms"
    patient_timeout: str = "10s"

    def key(self, prefix: str, number: int | str) -> str:
        return f"{prefix}{self.name}:{number}"


@dataclass
class Clients:
    """The clients of one load; threads share them."""

    once: shoal.Client
    persistent: shoal.Client
    patient: shoal.Client

    @classmethod
    def of(cls, addresses: Sequence[str], load: Load) -> Clients:
        return cls(
            shoal.Client(
                list(addresses), timeout=load.once_timeout, max_attempts=load.once_attempts
            ),
            shoal.Client(list(addresses), timeout=load.persistent_timeout),
            shoal.Client(list(addresses), timeout=load.patient_timeout),
        )

    def close(self) -> None:
        self.once.close()
        self.persistent.close()
        self.patient.close()


@dataclass
class Caller:
    """One thread's calls, and the record of them."""

    number: int
    load: Load
    clients: Clients
    history: History = field(default_factory=list)
    written: int = 0
    session: shoal.Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = self.clients.persistent.session()

    def call(
        self,
        kind: Kind,
        key: str,
        ask: Callable[[], tuple[str | int | bool | None, shoal.Version | None]],
        *,
        value: str | None = None,
        expected: str | None = None,
        ack: str = IN_SYNC,
    ) -> Operation:
        """Make one call and record it."""
        result: str | int | bool | None = None
        version: shoal.Version | None = None
        outcome, why = Outcome.OK, ""
        invoked_ns = time.monotonic_ns()
        try:
            result, version = ask()
        except shoal.ShoalError as error:
            is_unknown = error.outcome is shoal.Outcome.MAYBE_APPLIED and kind is not Kind.READ
            outcome = Outcome.UNKNOWN if is_unknown else Outcome.FAILED
            why = error.reason
        answered_ns = None if outcome is Outcome.UNKNOWN else time.monotonic_ns()
        operation = Operation(
            self.number,
            kind,
            key,
            invoked_ns,
            answered_ns,
            outcome,
            value=value,
            expected=expected,
            result=result,
            ack=ack,
            version=None if version is None else (version.epoch, version.seq),
            why=why,
        )
        self.history.append(operation)
        return operation

    def new_value(self) -> str:
        self.written += 1
        return f"{self.number}-{self.written}"

    def read(self, client: shoal.Client | shoal.Session, key: str) -> Operation:
        def ask() -> tuple[str | None, shoal.Version | None]:
            entry = client.get_entry(key)
            if not isinstance(entry, shoal.Entry):
                return None, None
            return entry.value.decode(), entry.version

        return self.call(Kind.READ, key, ask)

    def write(self, client: shoal.Client | shoal.Session, key: str, ack: str) -> None:
        value = self.new_value()

        def ask() -> tuple[None, shoal.Version]:
            return None, client.set(key, value, ack=ack).version

        self.call(Kind.WRITE, key, ask, value=value, ack=ack)

    def delete(self, key: str) -> None:
        def ask() -> tuple[None, None]:
            self.clients.once.delete(key)
            return None, None

        self.call(Kind.DELETE, key, ask)

    def compare_and_set(self, key: str) -> None:
        seen = self.read(self.clients.once, key)
        if not seen.is_ok:
            return
        value = self.new_value()
        version = None if seen.version is None else shoal.Version(*seen.version)

        # A condition on a version that has passed can never hold again, so that no attempt
        # comes late; "not there" can.
        client = self.clients.once if version is None else self.clients.persistent

        def ask() -> tuple[bool, shoal.Version | None]:
            done = client.set(
                key, value, if_absent=version is None, if_version=version, ack=IN_SYNC
            )
            return done.applied, done.version if done.applied else None

        expected = seen.result if isinstance(seen.result, str) else None
        self.call(Kind.CAS, key, ask, value=value, expected=expected)

    def increment(self, key: str) -> None:
        clients = self.clients
        client = clients.persistent if self.number % _PATIENT_EVERY else clients.patient
        self.call(Kind.INCR, key, lambda: (client.incr(key), None))

    def add(self, prefix: str, ack: str) -> None:
        key = self.load.key(prefix, f"{self.number}-{self.written + 1}")
        self.write(self.clients.persistent, key, ack)

    def step(self, rng: random.Random) -> None:
        """One thing that an application might do, chosen by ``rng``."""
        load, once = self.load, self.clients.once
        register = load.key(REGISTER, rng.randrange(load.registers))
        weak = load.key(WEAK, rng.randrange(load.weak_registers))
        shared = load.key(SESSION, rng.randrange(load.session_keys))
        counter = load.key(COUNTER, rng.randrange(load.counters))
        choices: tuple[tuple[int, Callable[[], object]], ...] = (
            (22, lambda: self.read(once, register)),
            (10, lambda: self.write(once, register, IN_SYNC)),
            (12, lambda: self.compare_and_set(register)),
            (6, lambda: self.delete(register)),
            (8, lambda: self.read(once, weak)),
            (8, lambda: self.write(once, weak, PRIMARY)),
            (3, lambda: self.delete(weak)),
            (12, lambda: self.increment(counter)),
            (3, lambda: self.read(once, counter)),
            (8, lambda: self.read(self.session, shared)),
            (3, lambda: self.write(self.session, shared, IN_SYNC)),
            (8, lambda: self.add(ADD, IN_SYNC)),
            (8, lambda: self.add(PRIMARY_ADD, PRIMARY)),
        )
        (chosen,) = rng.choices(choices, weights=[weight for weight, _ in choices])
        chosen[1]()


class Workload:
    """Runs a load in the background; ``stop`` returns what was recorded."""

    def __init__(self, addresses: Sequence[str], load: Load) -> None:
        self.load = load
        self._clients = Clients.of(addresses, load)
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []
        self._callers = [Caller(number, load, self._clients) for number in range(load.threads)]
        self._threads = [
            threading.Thread(target=self._run, args=(caller,), daemon=True)
            for caller in self._callers
        ]
        self.started_ns = 0
        self.stopped_ns = 0

    def start(self) -> None:
        self._clients.once.topology(timeout="15s")
        self._clients.persistent.topology(timeout="15s")
        self._clients.patient.topology(timeout="15s")
        self.started_ns = time.monotonic_ns()
        for thread in self._threads:
            thread.start()

    def so_far(self) -> History:
        """What was recorded until now."""
        return [one for caller in self._callers for one in tuple(caller.history)]

    def stop(self) -> History:
        """End the load. Raises what a thread failed with, other than the client's errors."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        self.stopped_ns = time.monotonic_ns()
        if self._failures:
            raise self._failures[0]
        return self.so_far()

    def read_everything(self) -> History:
        """Read every key that was written until it answers, and so end the history."""
        last = Caller(self.load.threads, self.load, self._clients)
        for key in sorted({one.key for one in self.so_far()}):
            deadline = time.monotonic() + _READ_SECONDS_MAX
            while not last.read(self._clients.persistent, key).is_ok:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{key} cannot be read: {last.history[-1]}")
                time.sleep(0.05)
        return last.history

    def close(self) -> None:
        self._stopped.set()
        self._clients.close()

    @property
    def operations_per_second(self) -> float:
        """Of those that were answered, until it was stopped."""
        seconds = (self.stopped_ns - self.started_ns) / 1e9
        return sum(one.is_ok for one in self.so_far()) / seconds

    def _run(self, caller: Caller) -> None:
        rng = random.Random(f"{self.load.seed}/{caller.number}")
        period_seconds = self.load.threads / self.load.operations_per_second
        try:
            while not self._stopped.is_set():
                began = time.monotonic()
                caller.step(rng)
                rest = period_seconds * rng.uniform(0.5, 1.5) - (time.monotonic() - began)
                self._stopped.wait(max(0.001, rest))
        except BaseException as error:  # noqa: BLE001 - told by stop()
            self._failures.append(error)
            self._stopped.set()
