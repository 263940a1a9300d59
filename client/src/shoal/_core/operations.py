"""The client's operations, each a generator of effects.

Arguments are checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from shoal._core.answers import entry_of, set_result_of, value_of
from shoal._core.batches import DelBatch, GetBatch, SetBatch
from shoal._core.core import Core
from shoal._core.durations import Duration, duration_ms
from shoal._core.effects import AwaitTopology, Operation
from shoal._core.failures import UNREACHABLE, Failure, error_of
from shoal._core.grouping import call_owners
from shoal._core.requests import (
    wire_ack,
    wire_condition,
    wire_int64,
    wire_key,
    wire_ttl,
    wire_value,
)
from shoal._core.retry import Repeat
from shoal._core.routing import call_owner
from shoal._core.topology import Topology
from shoal._errors import InvalidRequest, Outcome, ShoalError, Unavailable
from shoal._values import (
    AbsentType,
    Ack,
    Entry,
    Key,
    MissingType,
    SetResult,
    Value,
    Version,
)
from shoal.v1 import cache_pb2

_K = TypeVar("_K", bound=Key)


def get(
    core: Core, key: Key, timeout: Duration | None
) -> Operation[bytes | MissingType | AbsentType]:
    """Read a value."""
    wire = wire_key(key)
    answer = yield from call_owner(
        core, "Get", wire, cache_pb2.GetRequest(key=wire), _seconds(core, timeout), Repeat.ALWAYS
    )
    value = value_of(answer)
    if isinstance(value, Failure):
        raise _failed(value, write=False)
    return value


def get_entry(
    core: Core, key: Key, timeout: Duration | None
) -> Operation[Entry | MissingType | AbsentType]:
    """Read a value with its version and remaining time to live."""
    wire = wire_key(key)
    answer = yield from call_owner(
        core, "Get", wire, cache_pb2.GetRequest(key=wire), _seconds(core, timeout), Repeat.ALWAYS
    )
    entry = entry_of(answer)
    if isinstance(entry, Failure):
        raise _failed(entry, write=False)
    return entry


def set_(
    core: Core,
    key: Key,
    value: Value,
    *,
    ttl: Duration | None,
    if_absent: bool,
    if_present: bool,
    if_version: Version | None,
    ack: Ack | str | None,
    timeout: Duration | None,
) -> Operation[SetResult]:
    """Store a value."""
    wire = wire_key(key)
    condition = wire_condition(if_absent=if_absent, if_present=if_present, if_version=if_version)
    message = cache_pb2.SetRequest(
        key=wire,
        value=wire_value(value),
        ttl_ms=wire_ttl(ttl),
        ack=wire_ack(ack),
        condition=condition,
    )
    repeat = Repeat.WHEN_OVER if condition is None else Repeat.NEVER
    answer = yield from call_owner(core, "Set", wire, message, _seconds(core, timeout), repeat)
    result = set_result_of(answer)
    if isinstance(result, Failure):
        raise _failed(result, write=True)
    return result


def delete(
    core: Core, keys: Iterable[Key], *, ack: Ack | str | None, timeout: Duration | None
) -> Operation[int]:
    """Remove keys; return how many were there."""
    wires = list(dict.fromkeys(wire_key(key) for key in keys))
    batch = DelBatch(wires, wire_ack(ack))
    seconds = _seconds(core, timeout)
    if not wires:
        return 0
    if len(wires) == 1:
        message = batch.message([0], routed=False)
        answer = yield from call_owner(core, "Del", wires[0], message, seconds, batch.repeat)
        return int(answer.deleted)
    return sum((yield from call_owners(core, wires, batch, seconds)))


def incr(
    core: Core,
    key: Key,
    delta: int,
    *,
    initial: int,
    ttl: Duration | None,
    ack: Ack | str | None,
    timeout: Duration | None,
) -> Operation[int]:
    """Add to an integer; return what it is now."""
    wire = wire_key(key)
    message = cache_pb2.IncrRequest(
        key=wire,
        delta=wire_int64(delta, "delta"),
        initial=wire_int64(initial, "initial"),
        ttl_ms=wire_ttl(ttl),
        ack=wire_ack(ack),
    )
    answer = yield from call_owner(
        core, "Incr", wire, message, _seconds(core, timeout), Repeat.NEVER
    )
    return int(answer.value)


def get_many(
    core: Core, keys: Iterable[_K], timeout: Duration | None
) -> Operation[dict[_K, bytes | MissingType | AbsentType]]:
    """Read many values, in the order asked."""
    wire_of = {key: wire_key(key) for key in _several(keys, "keys")}
    # "a" and b"a" are one key to the cluster and two to the caller.
    wires = list(dict.fromkeys(wire_of.values()))
    seconds = _seconds(core, timeout)
    if not wires:
        return {}
    values = yield from call_owners(core, wires, GetBatch(wires), seconds)
    value_by_wire = dict(zip(wires, values, strict=True))
    return {key: value_by_wire[wire] for key, wire in wire_of.items()}


def set_many(
    core: Core, values: Mapping[_K, Value], *, ttl: Duration | None, timeout: Duration | None
) -> Operation[dict[_K, SetResult]]:
    """Store many values, each key for itself."""
    if not isinstance(values, Mapping):
        raise InvalidRequest(f"set_many takes a mapping, not {type(values).__name__}")
    wires = [wire_key(key) for key in values]
    if len(set(wires)) < len(wires):
        raise InvalidRequest("two keys of set_many are the same bytes: take one of them out")
    batch = SetBatch(wires, [wire_value(value) for value in values.values()], wire_ttl(ttl))
    seconds = _seconds(core, timeout)
    if not wires:
        return {}
    results = yield from call_owners(core, wires, batch, seconds)
    return dict(zip(values, results, strict=True))


def touch(
    core: Core, key: Key, ttl: Duration | None, *, ack: Ack | str | None, timeout: Duration | None
) -> Operation[bool]:
    """Give a key a new time to live; return whether it was there."""
    wire = wire_key(key)
    message = cache_pb2.TouchRequest(key=wire, ttl_ms=wire_ttl(ttl), ack=wire_ack(ack))
    answer = yield from call_owner(
        core, "Touch", wire, message, _seconds(core, timeout), Repeat.ALWAYS
    )
    return bool(answer.applied)


def topology(core: Core, timeout: Duration | None) -> Operation[Topology]:
    """Return what is known of the cluster, waiting for the first of it."""
    seconds = _seconds(core, timeout)
    if not core.topology.revision:
        yield AwaitTopology(seconds)
    if not core.topology.revision:
        raise Unavailable(
            f"no node told the topology within {seconds * 1000:.0f} ms; asked were "
            f"{', '.join(core.candidates())}",
            reason=UNREACHABLE,
        )
    return core.topology


def _seconds(core: Core, timeout: Duration | None) -> float:
    return core.timeout_seconds if timeout is None else duration_ms(timeout, "timeout") / 1000


def _several(keys: Iterable[_K], what: str) -> Iterable[_K]:
    if isinstance(keys, str | bytes):
        raise InvalidRequest(f"{what} must be several, in a list for instance, not one {keys!r}")
    return keys


def _failed(failure: Failure, *, write: bool) -> ShoalError:
    return error_of(failure, failure.outcome if write else Outcome.NOT_APPLIED)
