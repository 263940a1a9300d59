"""Operations of the toolkit: read so that one caller is told to load, and store what it loaded.

    look       a Get; with a lease, a miss hands out a fill token, or waits for another's load
    store      a Set that is fenced: by the token, or by what was there when the load began
    overwrite  a Set that is not
    release    gives a token back, so that the next in line loads at once

A node that serves no fills answers NOT_SERVED, which is raised as NotServed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from shoal._core.answers import set_result_of, value_of, version_of
from shoal._core.core import Core
from shoal._core.effects import Operation
from shoal._core.failures import FILL_TOKEN_VOID, Failure, error_of
from shoal._core.operations import hold
from shoal._core.retry import Repeat
from shoal._core.routing import PATIENCE_SECONDS, call_owner
from shoal._errors import Outcome, ShoalError
from shoal._values import AbsentType, MissingType, SetResult, Version
from shoal.v1 import cache_pb2

LONGEST_WAIT_MS: Final = 750
"""What one attempt waits for another's load: less than a call's patience with a node, so
that a node that hangs is told from one that makes its caller wait."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found."""

    found: bytes | MissingType | AbsentType
    version: Version
    """Of what was found; of epoch 0 after a miss."""
    ttl_ms: int
    """Remaining time to live; 0: no end."""
    fill_token: bytes
    """Whoever is given it loads. Empty: nobody asked for one, or another caller has it."""
    is_stale: bool = False
    """Past the time for which it was fresh."""
    has_fresh_time: bool = False
    """It is known whether it is."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Asks that a miss be an agreement about who loads."""

    lease_ms: int
    wait_ms: int = 0
    """How long to wait for the load of whoever has the token now; at most LONGEST_WAIT_MS."""
    fresh_only: bool = False
    """What is stale counts as missing."""
    refresh_only: bool = False
    """Whoever finds nothing is given no token."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Under what a loaded value is stored: exactly one of these."""

    fill_token: bytes = b""
    if_version: Version | None = None
    """None and no token: if there is nothing."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored. An absent one has no value."""

    value: bytes
    ttl_ms: int
    tags: tuple[str, ...] = ()
    is_absent: bool = False
    fresh_ms: int = 0
    """0: it is never stale."""


class HeldNear(NamedTuple):
    """What this client's memory says of a key."""

    found: bytes | AbsentType
    ttl_ms: int
    """Remaining time to live; 0: no end."""
    has_fresh_time: bool
    """Then it is fresh: nothing is held for longer."""


def look_near(core: Core, key: bytes) -> HeldNear | None:
    """Read a key from this client's memory; None: it is not there."""
    if core.near is None:
        return None
    now = core.clock()
    held = core.near.get(key, now)
    if held is None:
        return None
    left_ms = max(1, int((held.ends_at - now) * 1000)) if held.ends_at else 0
    return HeldNear(held.value, left_ms, held.fresh_until > 0)


def look(core: Core, key: bytes, lease: Lease | None) -> Operation[Looked]:
    """Read a key at its primary."""
    mark = core.mark_near(key)
    message = cache_pb2.GetRequest(key=key)
    seconds = core.timeout_seconds
    if lease is not None:
        assert 0 <= lease.wait_ms <= LONGEST_WAIT_MS
        message.fill.lease_ms = lease.lease_ms
        message.fill.wait_ms = lease.wait_ms
        message.fill.fresh_only = lease.fresh_only
        message.fill.refresh_only = lease.refresh_only
        # An attempt is given half of what is left: enough for the wait, and to ask again.
        if lease.wait_ms:
            seconds = max(seconds, 2 * PATIENCE_SECONDS)
    answer = yield from call_owner(core, "Get", key, message, seconds, Repeat.ALWAYS)
    found = value_of(answer)
    if isinstance(found, Failure):
        raise error_of(found, Outcome.NOT_APPLIED)
    if mark is not None:
        yield from hold(core, key, answer, mark)
    version = Version(0, 0) if answer.status == cache_pb2.MISS else version_of(answer.version)
    is_stale = answer.status == cache_pb2.STALE and not answer.maybe_stale
    return Looked(
        found,
        version,
        answer.ttl_ms,
        answer.fill_token,
        is_stale,
        has_fresh_time=is_stale or answer.fresh_ms > 0,
    )


def store(core: Core, key: bytes, content: Content, fence: Fence) -> Operation[SetResult]:
    """Store what was loaded; not applied where its fence has fallen.

    A token is void once the key was written or deleted, a tag was invalidated, or its time is
    over. Raises ShoalError.
    """
    message = cache_pb2.SetRequest(
        key=key,
        value=content.value,
        absent=content.is_absent,
        ttl_ms=content.ttl_ms,
        fresh_ms=content.fresh_ms,
        tags=content.tags,
        # A fill that a failover loses is a miss.
        ack=cache_pb2.ACK_PRIMARY,
    )
    if fence.fill_token:
        message.fill_token = fence.fill_token
        # Made twice it finds its own token used up, and the value stored.
        repeat = Repeat.WHEN_OVER
    else:
        if fence.if_version is None:
            message.condition.if_absent = True
        else:
            message.condition.if_version.epoch = fence.if_version.epoch
            message.condition.if_version.seq = fence.if_version.seq
        repeat = core.ids.identify(message, core.clock())
    try:
        with core.changing([key]):
            answer = yield from call_owner(core, "Set", key, message, core.timeout_seconds, repeat)
    except ShoalError as error:
        if error.reason != FILL_TOKEN_VOID:
            raise
        return SetResult(applied=False, version=Version(0, 0))
    result = set_result_of(answer)
    if isinstance(result, Failure):
        raise error_of(result, result.outcome)
    return result


def overwrite(core: Core, key: bytes, content: Content) -> Operation[SetResult]:
    """Store whatever is there. Raises ShoalError."""
    message = cache_pb2.SetRequest(
        key=key,
        value=content.value,
        absent=content.is_absent,
        ttl_ms=content.ttl_ms,
        fresh_ms=content.fresh_ms,
        tags=content.tags,
    )
    with core.changing([key]):
        answer = yield from call_owner(
            core, "Set", key, message, core.timeout_seconds, Repeat.WHEN_OVER
        )
    result = set_result_of(answer)
    if isinstance(result, Failure):
        raise error_of(result, result.outcome)
    return result


def release(
    core: Core, key: bytes, fill_token: bytes, *, has_failed: bool = False
) -> Operation[bool]:
    """Give a token back; return whether it was good until now. Raises ShoalError.

    ``has_failed``: so has the origin; nobody refreshes what is there for a while.
    """
    message = cache_pb2.ReleaseFillRequest(key=key, fill_token=fill_token, failed=has_failed)
    answer = yield from call_owner(
        core, "ReleaseFill", key, message, core.timeout_seconds, Repeat.ALWAYS
    )
    return bool(answer.released)
