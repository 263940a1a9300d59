"""The client's operations, each a generator of effects.

Arguments are checked before anything is sent. What an operation of a session learns is
noted in ``session`` before it returns; None: there is no session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from shoal._core.answers import entry_of, set_result_of, value_of, version_of
from shoal._core.batches import DelBatch, GetBatch, SetBatch
from shoal._core.core import Core
from shoal._core.durations import Duration, duration_ms
from shoal._core.effects import AwaitTopology, Listen, Operation
from shoal._core.failures import CONNECTION_LOST, UNREACHABLE, Code, Failure, error_of
from shoal._core.grouping import call_owners
from shoal._core.near import Mark, Near
from shoal._core.reading import Reading, reading_of_many, reading_of_one, reading_of_session
from shoal._core.requests import (
    wire_ack,
    wire_condition,
    wire_fresh,
    wire_int64,
    wire_key,
    wire_tag,
    wire_tags,
    wire_ttl,
    wire_value,
)
from shoal._core.retry import Repeat
from shoal._core.routing import Doubtful, call_any, call_owner, call_reader
from shoal._core.session import Remembered
from shoal._core.topology import Topology
from shoal._errors import InvalidRequest, Outcome, ShoalError, Unavailable
from shoal._values import (
    AbsentType,
    Ack,
    Entry,
    Key,
    MissingType,
    ReadMode,
    SetResult,
    Value,
    Version,
)
from shoal.v1 import cache_pb2

_K = TypeVar("_K", bound=Key)


def get(
    core: Core,
    key: Key,
    *,
    read: ReadMode | str | None,
    at_least: Version | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[bytes | MissingType | AbsentType]:
    """Read a value."""
    answer = yield from _read(core, key, read, at_least, timeout, session)
    value = value_of(answer)
    if isinstance(value, Failure):
        raise _failed(value, write=False)
    return value


def get_entry(
    core: Core,
    key: Key,
    *,
    read: ReadMode | str | None,
    at_least: Version | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[Entry | MissingType | AbsentType]:
    """Read a value with its version and remaining time to live."""
    answer = yield from _read(core, key, read, at_least, timeout, session)
    entry = entry_of(answer)
    if isinstance(entry, Failure):
        raise _failed(entry, write=False)
    return entry


def _read(
    core: Core,
    key: Key,
    read: ReadMode | str | None,
    at_least: Version | None,
    timeout: Duration | None,
    session: Remembered | None,
) -> Operation[cache_pb2.GetResponse]:
    wire = wire_key(key)
    seconds = _seconds(core, timeout)
    reading = reading_of_one(wire, read, at_least, core.settings)
    if session is not None:
        seconds = yield from _knowing(core, seconds)
        reading = reading_of_session([wire], session, core.topology, core.settings)
    message = cache_pb2.GetRequest(key=wire, read=reading.mode, at_least=reading.of(wire))
    mark = None if session is not None or at_least is not None else core.mark_near(wire)
    answer: cache_pb2.GetResponse
    if reading.is_spread:
        answer = yield from call_reader(core, wire, message, seconds, nearest=reading.is_nearest)
    else:
        answer = yield from call_owner(core, "Get", wire, message, seconds, Repeat.ALWAYS)
    _note(core, session, wire, version_of(answer.version))
    if mark is not None:
        yield from hold(core, wire, answer, mark)
    return answer


def hold(core: Core, key: bytes, answer: cache_pb2.GetResponse, mark: Mark) -> Operation[None]:
    """Put an answer into the near cache, if it may be held; listen to who granted it."""
    value = value_of(answer)
    near = core.near
    if near is None or isinstance(value, Failure | MissingType):
        return
    if answer.maybe_stale or answer.status == cache_pb2.STALE:
        return
    now = core.clock()
    if answer.near_ms:
        address = core.topology.owner_address(key)
        if address and core.listening.note_grant(address, now):
            yield Listen(address)
    near.admit(
        key,
        value,
        version_of(answer.version),
        ttl_ms=answer.ttl_ms,
        fresh_ms=answer.fresh_ms,
        near_ms=answer.near_ms,
        mark=mark,
        now=now,
    )


def set_(
    core: Core,
    key: Key,
    value: Value,
    *,
    ttl: Duration | None,
    fresh: Duration | None = None,
    tags: Iterable[str] = (),
    if_absent: bool,
    if_present: bool,
    if_version: Version | None,
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[SetResult]:
    """Store a value."""
    wire = wire_key(key)
    condition = wire_condition(if_absent=if_absent, if_present=if_present, if_version=if_version)
    message = cache_pb2.SetRequest(
        key=wire,
        value=wire_value(value),
        ttl_ms=wire_ttl(ttl),
        fresh_ms=wire_fresh(fresh, ttl),
        tags=wire_tags(tags),
        ack=_ack(core, ack),
        condition=condition,
    )
    seconds = _seconds(core, timeout)
    if session is not None:
        seconds = yield from _knowing(core, seconds)
    repeat = Repeat.WHEN_OVER
    doubtful: Doubtful | None = None
    if condition is not None:
        repeat = core.ids.identify(message, core.clock())
        # A version never stands twice; a key may be absent again when the attempt arrives.
        doubtful = None if if_version is not None else _not_applied_yet
    elif message.ack == cache_pb2.ACK_IN_SYNC:
        # A repeated one without an id could take back what another has written meanwhile.
        core.ids.identify(message, core.clock())
        repeat = Repeat.ALWAYS if message.request_id else Repeat.WHEN_OVER
    with core.changing([wire]):
        answer = yield from call_owner(core, "Set", wire, message, seconds, repeat, doubtful)
    result = set_result_of(answer)
    if isinstance(result, Failure):
        raise _failed(result, write=True)
    _note(core, session, wire, result.version)
    return result


def delete(
    core: Core,
    keys: Iterable[Key],
    *,
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[int]:
    """Remove keys; return how many were there."""
    wires = list(dict.fromkeys(wire_key(key) for key in keys))
    batch = DelBatch(wires, _ack(core, ack))
    seconds = _seconds(core, timeout)
    if not wires:
        return 0
    if session is not None:
        seconds = yield from _knowing(core, seconds)
    with core.changing(wires):
        if len(wires) == 1:
            message = batch.message([0], routed=False)
            answer = yield from call_owner(core, "Del", wires[0], message, seconds, batch.repeat)
            results = batch.results(answer, 1)
        else:
            results = yield from call_owners(core, wires, batch, seconds)
    for wire, (_, version) in zip(wires, results, strict=True):
        _note(core, session, wire, version)
    return sum(count for count, _ in results)


def incr(
    core: Core,
    key: Key,
    delta: int,
    *,
    initial: int,
    ttl: Duration | None,
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[int]:
    """Add to an integer; return what it is now."""
    wire = wire_key(key)
    message = cache_pb2.IncrRequest(
        key=wire,
        delta=wire_int64(delta, "delta"),
        initial=wire_int64(initial, "initial"),
        ttl_ms=wire_ttl(ttl),
        ack=_ack(core, ack),
    )
    seconds = _seconds(core, timeout)
    if session is not None:
        seconds = yield from _knowing(core, seconds)
    repeat = core.ids.identify(message, core.clock())
    with core.changing([wire]):
        answer = yield from call_owner(core, "Incr", wire, message, seconds, repeat)
    _note(core, session, wire, version_of(answer.version))
    return int(answer.value)


def get_many(
    core: Core,
    keys: Iterable[_K],
    *,
    read: ReadMode | str | None,
    at_least: Mapping[_K, Version] | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[dict[_K, bytes | MissingType | AbsentType]]:
    """Read many values, in the order asked."""
    wire_of = {key: wire_key(key) for key in _several(keys, "keys")}
    # "a" and b"a" are one key to the cluster and two to the caller.
    wires = list(dict.fromkeys(wire_of.values()))
    seconds = _seconds(core, timeout)
    reading = reading_of_many(read, at_least, core.settings)
    if not wires:
        return {}
    if session is not None:
        values = yield from _read_many_of_session(core, wires, seconds, session)
    elif core.near is not None and at_least is None and (read is None or read != ReadMode.PRIMARY):
        values = yield from _read_many_near(core, core.near, wires, reading, seconds)
    else:
        values = yield from call_owners(core, wires, GetBatch(wires, reading), seconds)
    value_by_wire = dict(zip(wires, values, strict=True))
    return {key: value_by_wire[wire] for key, wire in wire_of.items()}


def _read_many_of_session(
    core: Core, wires: list[bytes], seconds: float, session: Remembered
) -> Operation[list[Any]]:
    seconds = yield from _knowing(core, seconds)
    reading = reading_of_session(wires, session, core.topology, core.settings)
    batch = GetBatch(wires, reading, with_answers=True)
    results = yield from call_owners(core, wires, batch, seconds)
    for wire, (_, answer) in zip(wires, results, strict=True):
        _note(core, session, wire, version_of(answer.version))
    return [value for value, _ in results]


def _read_many_near(
    core: Core, near: Near, wires: list[bytes], reading: Reading, seconds: float
) -> Operation[list[Any]]:
    """Ask for what is not held, and hold of it what may be."""
    now = core.clock()
    value_of_wire: dict[bytes, Any] = {}
    for wire in wires:
        held = near.get(wire, now)
        if held is not None:
            value_of_wire[wire] = held.value
    asked = [wire for wire in wires if wire not in value_of_wire]
    if asked:
        marks = [core.mark_near(wire) for wire in asked]
        batch = GetBatch(asked, reading, with_answers=True)
        results = yield from call_owners(core, asked, batch, seconds)
        for wire, mark, (value, answer) in zip(asked, marks, results, strict=True):
            value_of_wire[wire] = value
            if mark is not None:
                yield from hold(core, wire, answer, mark)
    return [value_of_wire[wire] for wire in wires]


def set_many(
    core: Core,
    values: Mapping[_K, Value],
    *,
    ttl: Duration | None,
    fresh: Duration | None = None,
    tags: Iterable[str] = (),
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[dict[_K, SetResult]]:
    """Store many values, each key for itself."""
    if not isinstance(values, Mapping):
        raise InvalidRequest(f"set_many takes a mapping, not {type(values).__name__}")
    wires = [wire_key(key) for key in values]
    if len(set(wires)) < len(wires):
        raise InvalidRequest("two keys of set_many are the same bytes: take one of them out")
    content = [wire_value(value) for value in values.values()]
    batch = SetBatch(
        wires,
        content,
        wire_ttl(ttl),
        _ack(core, ack),
        fresh_ms=wire_fresh(fresh, ttl),
        tags=wire_tags(tags),
    )
    seconds = _seconds(core, timeout)
    if not wires:
        return {}
    if session is not None:
        seconds = yield from _knowing(core, seconds)
    with core.changing(wires):
        results = yield from call_owners(core, wires, batch, seconds)
    for wire, result in zip(wires, results, strict=True):
        _note(core, session, wire, result.version)
    return dict(zip(values, results, strict=True))


def touch(
    core: Core,
    key: Key,
    ttl: Duration | None,
    *,
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[bool]:
    """Give a key a new time to live; return whether it was there."""
    wire = wire_key(key)
    message = cache_pb2.TouchRequest(key=wire, ttl_ms=wire_ttl(ttl), ack=_ack(core, ack))
    seconds = _seconds(core, timeout)
    if session is not None:
        seconds = yield from _knowing(core, seconds)
    with core.changing([wire]):
        answer = yield from call_owner(core, "Touch", wire, message, seconds, Repeat.ALWAYS)
    _note(core, session, wire, version_of(answer.version))
    return bool(answer.applied)


def invalidate_tag(
    core: Core,
    tag: str,
    *,
    ack: Ack | str | None,
    timeout: Duration | None,
    session: Remembered | None = None,
) -> Operation[None]:
    """Make every entry with a tag invisible."""
    message = cache_pb2.InvalidateTagRequest(tag=wire_tag(tag), ack=_ack(core, ack))
    seconds = _seconds(core, timeout)
    with core.changing_everything():
        answer = yield from call_any(core, "InvalidateTag", message, seconds, Repeat.ALWAYS)
    if session is not None:
        for told in answer.versions:
            session.note(told.partition, version_of(told.version))


def topology(core: Core, timeout: Duration | None) -> Operation[Topology]:
    """Return what is known of the cluster, waiting for the first of it."""
    yield from _knowing(core, _seconds(core, timeout))
    return core.topology


def _knowing(core: Core, seconds: float) -> Operation[float]:
    """Wait until the cluster's partitions are known; return what is left of the time."""
    started = core.clock()
    if not core.topology.revision:
        yield AwaitTopology(seconds)
    if not core.topology.revision:
        raise Unavailable(
            f"no node told the topology within {seconds * 1000:.0f} ms; asked were "
            f"{', '.join(core.candidates())}",
            reason=UNREACHABLE,
        )
    return max(0.001, seconds - (core.clock() - started))


def _note(core: Core, session: Remembered | None, key: bytes, version: Version) -> None:
    """Remember what a session wrote or read."""
    if session is not None and version.epoch and core.topology.partition_count:
        session.note(core.topology.partition_of(key).id, version)


def _not_applied_yet(answer: cache_pb2.SetResponse) -> Failure | None:
    """Doubt a condition that did not hold while an earlier attempt may still arrive."""
    if answer.applied:
        return None
    return Failure(
        Code.UNKNOWN,
        CONNECTION_LOST,
        Outcome.MAYBE_APPLIED,
        "the condition did not hold when the set was repeated, but an attempt of it that was "
        "not answered may be applied yet: read the key before you go on",
    )


def _ack(core: Core, ack: Ack | str | None) -> cache_pb2.Ack.ValueType:
    return core.default_ack if ack is None else wire_ack(ack)


def _seconds(core: Core, timeout: Duration | None) -> float:
    return core.timeout_seconds if timeout is None else duration_ms(timeout, "timeout") / 1000


def _several(keys: Iterable[_K], what: str) -> Iterable[_K]:
    if isinstance(keys, str | bytes):
        raise InvalidRequest(f"{what} must be several, in a list for instance, not one {keys!r}")
    return keys


def _failed(failure: Failure, *, write: bool) -> ShoalError:
    return error_of(failure, failure.outcome if write else Outcome.NOT_APPLIED)
