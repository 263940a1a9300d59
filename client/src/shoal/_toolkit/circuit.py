"""When the origin is given no load at all: after many failures in a row, for a while.

    closed     every load passes; ``failures`` in a row open it
    open       none passes, for ``open_seconds``
    half-open  one at a time passes, as a probe; a success closes it, a failure opens it

pybreaker counts and knows the states. Its own clock is the wall's, and in the half-open
state it admits everybody at once, so time and that gate are kept here: a load that began
before the circuit opened says nothing about the origin as it is now, and is not counted;
a probe that was cancelled says nothing either, and the next one is let through.

Time is an argument, in seconds on a clock that never goes back. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import pybreaker

from shoal._errors import LoadRefused

_NEVER_BY_ITSELF: Final = 3600.0


class Passage(Enum):
    """As what a load passed the circuit."""

    ORDINARY = auto()
    PROBE = auto()


class Circuit:
    """The circuit in front of one origin."""

    def __init__(
        self, *, failures: int, open_seconds: float, counts: Callable[[Exception], bool]
    ) -> None:
        assert failures > 0
        assert open_seconds > 0
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures, reset_timeout=_NEVER_BY_ITSELF, throw_new_error_on_trip=False
        )
        self._open_seconds = open_seconds
        self._counts = counts
        self._lock = threading.Lock()
        self._opened_at = 0.0
        self._round = 0
        """How often it has opened; a load remembers the round in which it passed."""
        self._is_probed = False

    @property
    def is_open(self) -> bool:
        """Whether loads in general do not pass."""
        return self._breaker.current_state != pybreaker.STATE_CLOSED

    def check(self, now: float) -> None:
        """Raise LoadRefused (CIRCUIT_OPEN) if a load would not pass now; change nothing."""
        with self._lock:
            self._refuse(now)

    def enter(self, now: float) -> tuple[Passage, int]:
        """Let a load pass, or raise LoadRefused. What it returns is for ``leave``."""
        with self._lock:
            self._refuse(now)
            if self._breaker.current_state == pybreaker.STATE_CLOSED:
                return Passage.ORDINARY, self._round
            if self._breaker.current_state == pybreaker.STATE_OPEN:
                self._breaker.half_open()
            self._is_probed = True
            return Passage.PROBE, self._round

    def leave(self, passed: tuple[Passage, int], error: BaseException | None, now: float) -> None:
        """Count how a load ended. Anything but an Exception says nothing of the origin."""
        passage, in_round = passed
        with self._lock:
            if passage is Passage.PROBE:
                self._is_probed = False
            if in_round != self._round:
                return
            if error is not None and not isinstance(error, Exception):
                return
            if error is not None and not self._counts(error):
                error = None
            self._note(error)
            if self._breaker.current_state == pybreaker.STATE_OPEN:
                self._opened_at = now
                self._round += 1

    def _refuse(self, now: float) -> None:
        state = self._breaker.current_state
        if state == pybreaker.STATE_CLOSED:
            return
        left_seconds = self._opened_at + self._open_seconds - now
        if state == pybreaker.STATE_OPEN and left_seconds > 0:
            raise LoadRefused(
                f"loads kept failing: the origin is left alone for another {left_seconds:.1f} s",
                reason="CIRCUIT_OPEN",
            )
        if self._is_probed:
            raise LoadRefused(
                "loads kept failing, and one load is probing the origin just now",
                reason="CIRCUIT_OPEN",
            )

    def _note(self, error: Exception | None) -> None:
        def outcome() -> None:
            if error is not None:
                raise error

        try:
            self._breaker.call(outcome)
        except Exception as raised:
            if raised is not error:
                raise
