"""The checkers of histories, on histories known to be good and known to be bad."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import pytest
from tools.soak.checks.adds import check_adds
from tools.soak.checks.counters import check_counter
from tools.soak.checks.deletes import check_deletes
from tools.soak.checks.judge import judge
from tools.soak.checks.linearizability import Verdict
from tools.soak.checks.registers import LossyRegister, Register, check_register
from tools.soak.checks.sessions import check_session
from tools.soak.checks.versions import check_versions
from tools.soak.history import (
    PRIMARY,
    Kind,
    Operation,
    Outcome,
    by_key,
    read_history,
    write_history,
)

LINEARIZABLE, NOT, UNDECIDED = Verdict


def op(kind: Kind, begin: int, end: int | None, key: str = "k", **fields: object) -> Operation:
    """An operation from ``begin`` to ``end``; ``end`` None: its outcome is unknown."""
    outcome = fields.pop("outcome", Outcome.UNKNOWN if end is None else Outcome.OK)
    return Operation(0, kind, key, begin, end, outcome, **fields)  # type: ignore[arg-type]


def write(value: str | None, begin: int, end: int | None, **fields: object) -> Operation:
    return op(Kind.WRITE, begin, end, value=value, **fields)


def read(result: str | int | None, begin: int, end: int, **fields: object) -> Operation:
    return op(Kind.READ, begin, end, result=result, **fields)


def cas(
    expected: str | None, value: str, begin: int, end: int | None, *, applied: bool | None
) -> Operation:
    return op(Kind.CAS, begin, end, expected=expected, value=value, result=applied)


def delete(begin: int, end: int | None, **fields: object) -> Operation:
    return op(Kind.DELETE, begin, end, **fields)


def incr(answer: int | None, begin: int, end: int | None, **fields: object) -> Operation:
    return op(Kind.INCR, begin, end, result=answer, **fields)


GOOD = {
    "nothing": [],
    "one after the other": [write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)],
    "a read during a write sees either": [
        write("a", 0, 1),
        write("b", 2, 9),
        read("a", 3, 4),
        read("b", 5, 6),
    ],
    "writes at once, in the order that reads show": [
        write("a", 0, 9),
        write("b", 0, 9),
        read("b", 10, 11),
    ],
    "an unknown write takes effect late": [
        write("a", 0, 1),
        write("b", 2, None),
        read("a", 3, 4),
        read("b", 90, 91),
    ],
    "an unknown write never does": [write("a", 0, 1), write("b", 2, None), read("a", 90, 91)],
    "a failed write": [
        write("a", 0, 1),
        write("b", 2, 3, outcome=Outcome.FAILED),
        read("a", 4, 5),
    ],
    "compare-and-set": [
        write("a", 0, 1),
        cas("a", "b", 2, 3, applied=True),
        cas("a", "c", 4, 5, applied=False),
        read("b", 6, 7),
    ],
    "an unknown compare-and-set that applied": [
        write("a", 0, 1),
        cas("a", "b", 2, None, applied=None),
        read("b", 6, 7),
    ],
    "a refusal that only an unknown write explains": [
        write("a", 0, 1),
        write("b", 2, None),
        cas("a", "c", 4, 5, applied=False),
    ],
    "deleted": [write("a", 0, 1), delete(2, 3), read(None, 4, 5)],
    "only when it is not there": [
        cas(None, "a", 0, 1, applied=True),
        cas(None, "b", 2, 3, applied=False),
        read("a", 4, 5),
    ],
}

BAD = {
    "a lost write": [write("a", 0, 1), read(None, 2, 3)],
    "an old value": [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
    "back and forth": [
        write("a", 0, 1),
        write("b", 2, 20),
        read("b", 3, 4),
        read("a", 5, 6),
    ],
    "a value that nobody wrote": [write("a", 0, 1), read("z", 2, 3)],
    "a failed write seen": [write("b", 0, 1, outcome=Outcome.FAILED), read("b", 2, 3)],
    "a value before its write": [read("a", 0, 1), write("a", 2, 3)],
    "two winners": [
        write("a", 0, 1),
        cas("a", "b", 2, 9, applied=True),
        cas("a", "c", 2, 9, applied=True),
    ],
    "a refusal without a reason": [write("a", 0, 1), cas("a", "b", 2, 3, applied=False)],
    "a deleted value": [write("a", 0, 1), delete(2, 3), read("a", 4, 5)],
    "an unknown write twice": [
        write("a", 0, None),
        write("b", 1, 2),
        read("a", 3, 4),
        write("c", 5, 6),
        read("a", 7, 8),
    ],
    "an unknown compare-and-set against its condition": [
        write("a", 0, 1),
        write("b", 2, 3),
        cas("a", "c", 4, None, applied=None),
        read("c", 5, 6),
    ],
    "two primaries": [
        write("a", 0, 1),
        write("b", 2, 3),
        read("b", 4, 5),
        read("a", 4, 5),
        read("b", 6, 7),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_register_is_linearizable(name: str) -> None:
    assert check_register(GOOD[name]).verdict is LINEARIZABLE


@pytest.mark.parametrize("name", BAD)
def test_a_bad_register_is_not(name: str) -> None:
    assert check_register(BAD[name]).verdict is NOT


def test_what_no_order_explains_is_named() -> None:
    explained = check_register([*GOOD["one after the other"], read("a", 8, 9)])
    assert explained.stuck == read("a", 8, 9)


def test_at_its_bound_the_search_is_undecided_never_good() -> None:
    many = [write(str(number), 0, 1000) for number in range(12)]
    history = [*many, read("0", 1001, 1002), read("1", 1003, 1004)]
    assert check_register(history, steps_max=50).verdict is UNDECIDED
    assert check_register(history).verdict is NOT


def explained_by_trying(history: list[Operation]) -> bool:
    """The dumb twin: every order of every choice of unknown operations."""
    known = [one for one in history if one.outcome is Outcome.OK]
    unknown = [one for one in history if one.outcome is Outcome.UNKNOWN]
    for mask in range(1 << len(unknown)):
        chosen = [*known, *(one for bit, one in enumerate(unknown) if mask >> bit & 1)]
        if any(explains(order) for order in permutations(chosen)):
            return True
    return False


def explains(order: tuple[Operation, ...]) -> bool:
    model = Register()
    state = model.initial
    for index, one in enumerate(order):
        if any(
            later.answered_ns is not None and later.answered_ns < one.invoked_ns
            for later in order[index + 1 :]
        ):
            return False
        after = model.step(state, one)
        if after is None:
            return False
        state = after
    return True


def random_history(rng: random.Random) -> list[Operation]:
    history = []
    for number in range(rng.randint(1, 6)):
        begin = rng.randrange(20)
        end = begin + rng.randint(1, 10)
        is_unknown = rng.random() < 0.25
        values = [None, "0", "1", "2", "3"]
        match rng.randrange(4):
            case 0:
                history.append(read(rng.choice(values), begin, end))
            case 1:
                history.append(write(str(number), begin, None if is_unknown else end))
            case 2:
                applied = None if is_unknown else rng.random() < 0.6
                asked_for = rng.choice(values)
                until = None if is_unknown else end
                history.append(cas(asked_for, str(number), begin, until, applied=applied))
            case _:
                history.append(delete(begin, None if is_unknown else end))
    return history


def test_the_search_agrees_with_trying_every_order() -> None:
    verdicts = set()
    for seed in range(1500):
        history = random_history(random.Random(seed))
        verdict = check_register(history).verdict
        assert (verdict is LINEARIZABLE) == explained_by_trying(history), f"seed {seed}: {history}"
        verdicts.add(verdict)
    assert verdicts == {LINEARIZABLE, NOT}


def test_long_histories_with_unknown_writes_are_decided() -> None:
    """A store that works, seen by clients of whom some hear no answer."""
    rng = random.Random(3)
    value, history, now = None, [], 0
    for number in range(600):
        now += 10
        if rng.random() < 0.5:
            history.append(read(value, now, now + rng.randint(1, 9)))
        else:
            is_unknown = rng.random() < 0.2
            if not is_unknown or rng.random() < 0.5:
                value = f"v{number}"
            end = None if is_unknown else now + rng.randint(1, 9)
            history.append(write(f"v{number}", now, end))
    assert check_register(history).verdict is LINEARIZABLE
    lost = [*history, write("last", now + 20, now + 21), read(value, now + 30, now + 31)]
    assert check_register(lost).verdict is NOT


@pytest.mark.parametrize(
    ("history", "is_good"),
    [
        pytest.param(
            [write("a", 0, 1), write("b", 2, 3, ack=PRIMARY), read("a", 4, 5)],
            True,
            id="a write of the primary alone may be lost",
        ),
        pytest.param(
            [
                write("a", 0, 1),
                write("b", 2, 3, ack=PRIMARY),
                read("a", 4, 5),
                read("b", 6, 7),
            ],
            False,
            id="what is lost stays lost",
        ),
        pytest.param(
            [write("a", 0, 1, ack=PRIMARY), write("b", 2, 3), read("a", 4, 5)],
            False,
            id="an in-sync write is never lost",
        ),
        pytest.param(
            [write("a", 0, 1, ack=PRIMARY), delete(2, 3), read("a", 4, 5)],
            False,
            id="nothing comes back after a delete in sync",
        ),
        pytest.param(
            [
                write("a", 0, 1, ack=PRIMARY),
                delete(2, 3),
                write("b", 4, 5, ack=PRIMARY),
                read(None, 6, 7),
            ],
            True,
            id="what was written after the delete may be lost",
        ),
        pytest.param(
            [write("a", 0, 1, ack=PRIMARY), delete(2, None), read(None, 4, 5), read("a", 6, 7)],
            False,
            id="two values in turn",
        ),
    ],
)
def test_lossy_registers(history: list[Operation], *, is_good: bool) -> None:
    expected = LINEARIZABLE if is_good else NOT
    assert check_register(history, LossyRegister()).verdict is expected


def test_counters_that_count_once() -> None:
    good = [
        incr(1, 0, 1),
        incr(3, 2, 5),
        incr(2, 2, 5),
        incr(None, 6, None),
        incr(None, 6, 7, outcome=Outcome.FAILED),
        read(4, 8, 9),
    ]
    assert check_counter("c", good) == []
    assert check_counter("c", [*good[:-1], read(3, 8, 9)]) == []


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([incr(1, 0, 1), incr(1, 2, 3)], id="an answer twice"),
        pytest.param([incr(1, 0, 1), read(None, 2, 3)], id="lost"),
        pytest.param([incr(1, 0, 1), read(2, 2, 3)], id="counted twice"),
        pytest.param([incr(2, 0, 1)], id="told more than was asked for"),
        pytest.param(
            [incr(None, 0, 1, outcome=Outcome.FAILED), read(1, 2, 3)],
            id="failed and counted",
        ),
        pytest.param(
            [incr(None, 0, None), incr(2, 2, 3), read(1, 4, 5)], id="an unknown one taken back"
        ),
    ],
)
def test_counters_that_do_not(history: list[Operation]) -> None:
    assert check_counter("c", history)


def test_adds() -> None:
    kept = [write("v", 0, 1), read("v", 2, 3)]
    lost = [write("v", 0, 1), read(None, 2, 3)]
    weak = [write("v", 0, 1, ack=PRIMARY), read(None, 2, 3)]
    phantom = [write("v", 0, 1, outcome=Outcome.FAILED), read("v", 2, 3)]
    unread = [write("v", 0, 1)]
    unknown = [write("v", 0, None), read("v", 2, 3), read(None, 2, 3)]
    assert not check_adds({"kept": kept, "unknown": unknown}).anomalies
    assert len(check_adds({"lost": lost}).anomalies) == 1
    assert len(check_adds({"phantom": phantom}).anomalies) == 1
    assert check_adds({"unread": unread}).unread == 1
    found = check_adds({"weak": weak})
    assert (found.lost, found.anomalies) == (1, ())


@pytest.mark.parametrize(
    ("history", "is_good"),
    [
        pytest.param([write("a", 0, 1), delete(2, 3), read(None, 4, 5)], True, id="gone"),
        pytest.param([write("a", 0, 1), delete(2, 3), read("a", 4, 5)], False, id="back"),
        pytest.param([write("a", 0, 1), delete(2, 9), read("a", 4, 5)], True, id="at once"),
        pytest.param(
            [write("a", 0, None), delete(2, 3), read("a", 4, 5)], True, id="came after the delete"
        ),
        pytest.param(
            [write("a", 0, 1), delete(2, 3, ack=PRIMARY), read("a", 4, 5)],
            True,
            id="the primary alone acknowledged the delete",
        ),
        pytest.param([read("z", 4, 5)], False, id="nobody wrote it"),
        pytest.param([read("a", 0, 1), write("a", 2, 3)], False, id="before it was written"),
        pytest.param(
            [write("a", 0, 1, outcome=Outcome.FAILED), read("a", 2, 3)], False, id="had failed"
        ),
    ],
)
def test_deletes(history: list[Operation], *, is_good: bool) -> None:
    assert (not check_deletes("k", history)) == is_good


@pytest.mark.parametrize(
    ("history", "is_good"),
    [
        pytest.param(
            [write("a", 0, 1, version=(1, 5)), read("a", 2, 3, version=(1, 5))], True, id="its own"
        ),
        pytest.param(
            [write("a", 0, 1, version=(1, 5)), read(None, 2, 3)], False, id="its own is missing"
        ),
        pytest.param(
            [write("a", 0, 1, version=(2, 5)), read("z", 2, 3, version=(1, 9))],
            False,
            id="older than its own",
        ),
        pytest.param(
            [
                replace(write("a", 0, 1, version=(1, 5)), client=7),
                read("a", 2, 3, version=(1, 5)),
                read("z", 4, 5, version=(1, 4)),
            ],
            False,
            id="back from what was acknowledged",
        ),
        pytest.param(
            [
                replace(write("a", 0, None), client=7),
                read("a", 2, 3, version=(1, 5)),
                read("z", 4, 5, version=(1, 4)),
            ],
            True,
            id="back from what nobody acknowledged",
        ),
        pytest.param(
            [write("a", 0, 1, version=(1, 5)), replace(read(None, 2, 3), client=7)],
            True,
            id="another session",
        ),
    ],
)
def test_sessions(history: list[Operation], *, is_good: bool) -> None:
    assert (not check_session("k", history)) == is_good


def test_a_version_names_one_value() -> None:
    one = write("a", 0, 1, version=(1, 7))
    other = write("b", 0, 1, version=(2, 7))
    assert not check_versions("k", [one, other, replace(read("a", 2, 3), version=(1, 7))])
    assert check_versions("k", [one, replace(other, version=(1, 7))])


def test_a_history_is_read_back_as_it_was_written(tmp_path) -> None:
    history = [*GOOD["compare-and-set"], incr(None, 1, None), write("x", 1, 2, version=(3, 4))]
    path = tmp_path / "history.jsonl"
    write_history(path, history)
    assert read_history(path) == history


def test_everything_is_judged_by_the_prefix_of_its_key() -> None:
    def renamed(prefix: str, history: list[Operation]) -> list[Operation]:
        return [replace(one, key=f"{prefix}1") for one in history]

    judged = judge(
        [
            *renamed("reg:", BAD["a lost write"]),
            *renamed("weak:", [write("a", 0, 1, ack=PRIMARY), read(None, 2, 3)]),
            *renamed("ctr:", [incr(2, 0, 1)]),
            *renamed("add:", [write("v", 0, 1), read(None, 2, 3)]),
            *renamed("padd:", [write("v", 0, 1, ack=PRIMARY), read(None, 2, 3)]),
        ]
    )
    assert {one.check for one in judged.anomalies} == {"linearizability", "counter", "adds"}
    assert (judged.operations, judged.keys, judged.primary_adds.lost) == (9, 5, 1)


def test_a_cluster_without_replication_lost_what_it_had_acknowledged(repository) -> None:
    """Recorded from three nodes with one copy each, of which one was killed."""
    path = repository / "tests" / "cluster" / "histories" / "killed-without-replicas.jsonl"
    history = read_history(path)
    judged = judge(history)
    found = {one.check for one in judged.anomalies}
    assert {"linearizability", "counter", "adds"} <= found
    assert not judged.undecided
    assert "deletes" not in found
    failed_ns = min(one.invoked_ns for one in history if one.outcome is not Outcome.OK)
    before = [one for one in history if one.is_ok and one.ended_ns < failed_ns]
    assert not judge(before).anomalies
    assert len(by_key(before)) > 20
