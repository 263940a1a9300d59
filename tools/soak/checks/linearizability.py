"""Is one key's history linearizable? A search for an order that explains it.

The algorithm is Wing and Gong's, with Lowe's memory of configurations already tried
("Testing for linearizability", 2017): walk the calls and returns in time; a call that has
not taken effect yet may do so now; a return whose call has not is a dead end, and the last
choice is taken back. A configuration is which operations took effect, and the state.

An operation of unknown outcome has no return: it may take effect at any later time, or
never. The search is bounded, and says UNDECIDED at its bound: never "linearizable".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from tools.soak.history import Operation, Outcome

STEPS_MAX = 2_000_000

_S = TypeVar("_S", bound=Hashable)
_END = -1


class Verdict(Enum):
    LINEARIZABLE = "linearizable"
    NOT_LINEARIZABLE = "not linearizable"
    UNDECIDED = "undecided"


class Model(Protocol[_S]):
    """What the object does, one operation at a time. States are immutable values."""

    @property
    def initial(self) -> _S: ...

    def step(self, state: _S, operation: Operation) -> _S | None:
        """The state after the operation with its answer; None where it cannot be so."""
        ...


@dataclass(frozen=True, slots=True)
class Explained:
    verdict: Verdict
    stuck: Operation | None = None
    """Of a history that is not linearizable: the first answer that no order explains."""


def check(
    operations: Sequence[Operation], model: Model[_S], steps_max: int = STEPS_MAX
) -> Explained:
    """Search for an order. Operations that certainly failed take no part."""
    taking_part = [one for one in operations if one.outcome is not Outcome.FAILED]
    return _Search(taking_part, model).run(steps_max)


class _Search(Generic[_S]):
    """Entries are a doubly linked list of calls and returns, by index, in time."""

    def __init__(self, operations: Sequence[Operation], model: Model[_S]) -> None:
        self._operations = operations
        self._model = model
        # At one instant calls stand before returns: what touches counts as concurrent.
        events = sorted(
            [
                *((one.invoked_ns, 0, number) for number, one in enumerate(operations)),
                *(
                    (one.answered_ns, 1, number)
                    for number, one in enumerate(operations)
                    if one.answered_ns is not None
                ),
            ]
        )
        self._operation_at = [number for _, _, number in events]
        self._is_call = [kind == 0 for _, kind, _ in events]
        self._return_of = {
            number: index for index, (_, kind, number) in enumerate(events) if kind == 1
        }
        count = len(events)
        self._head = count
        self._next = [*range(1, count), _END, 0 if count else _END]
        self._previous = [self._head, *range(count - 1), _END] if count else [_END]
        self._returns_left = len(self._return_of)

    def run(self, steps_max: int) -> Explained:
        state, effects = self._model.initial, 0
        seen: set[tuple[int, _S]] = set()
        choices: list[tuple[int, _S]] = []
        entry = self._next[self._head]
        furthest = -1
        for _ in range(steps_max):
            if not self._returns_left:
                return Explained(Verdict.LINEARIZABLE)
            if entry != _END and self._is_call[entry]:
                number = self._operation_at[entry]
                after = self._model.step(state, self._operations[number])
                tried = None if after is None else (effects | 1 << number, after)
                if after is not None and tried is not None and tried not in seen:
                    seen.add(tried)
                    choices.append((entry, state))
                    state, effects = after, tried[0]
                    self._lift(entry)
                    entry = self._next[self._head]
                else:
                    entry = self._next[entry]
                continue
            # A return, or the end: nothing more can take effect before it.
            furthest = max(furthest, entry)
            if not choices:
                return Explained(Verdict.NOT_LINEARIZABLE, self._stuck(furthest))
            entry, state = choices.pop()
            effects &= ~(1 << self._operation_at[entry])
            self._put_back(entry)
            entry = self._next[entry]
        return Explained(Verdict.UNDECIDED)

    def _stuck(self, entry: int) -> Operation | None:
        return self._operations[self._operation_at[entry]] if entry >= 0 else None

    def _lift(self, call: int) -> None:
        """Take a call and its return out of the list."""
        self._unlink(call)
        answer = self._return_of.get(self._operation_at[call])
        if answer is not None:
            self._unlink(answer)
            self._returns_left -= 1

    def _put_back(self, call: int) -> None:
        answer = self._return_of.get(self._operation_at[call])
        if answer is not None:
            self._link(answer)
            self._returns_left += 1
        self._link(call)

    def _unlink(self, entry: int) -> None:
        before, after = self._previous[entry], self._next[entry]
        self._next[before] = after
        if after != _END:
            self._previous[after] = before

    def _link(self, entry: int) -> None:
        before, after = self._previous[entry], self._next[entry]
        self._next[before] = entry
        if after != _END:
            self._previous[after] = entry
