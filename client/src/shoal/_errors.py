"""Everything that the client raises.

    ShoalError
    ├── InvalidRequest        the request itself is wrong; also a ValueError
    ├── NotServed             the cluster does not serve what was asked for (yet)
    ├── Unauthenticated       the cluster does not know who asks: no token, or a wrong one
    ├── PermissionDenied      it does, and they may not do that, or not with this key
    ├── Unavailable           nobody could serve it; nothing was applied: safe to repeat
    ├── ResourceExhausted     a bound was reached: memory, requests, message size
    ├── DeadlineExceeded      the call's time ran out; also a TimeoutError
    ├── OutcomeUnknown        the write may or may not have been applied
    ├── LoadRefused           the origin was spared a load: bulkhead, circuit, too many waiting
    ├── ServerError           an answer outside the contract
    ├── UnreadableValue       what is stored is not what the toolkit writes; also a ValueError
    ├── ConfigurationError    a URL or setting cannot be used; also a ValueError
    └── ClientMisuse
        ├── ClientClosed      used after close()
        ├── ForkedClient      used in a child of the process that it was first used in
        └── WrongEventLoop    used in another event loop than it was first used in

Every error carries ``reason``, a word in capitals that programs may compare (on the
wire it is google.rpc.ErrorInfo's), and ``outcome``, which is that of the whole call with
all its attempts:

    NOT_APPLIED     nothing of it took effect, nor will: repeating it is safe
    MAYBE_APPLIED   it may have taken effect, or may yet: read before you repeat it

A failed read is always NOT_APPLIED. A write is MAYBE_APPLIED as soon as one attempt is:
its answer was lost (CONNECTION_LOST), its time ran out (DEADLINE_EXCEEDED), the node's
lease did (LEASE_EXPIRED), a node that forwarded it got no answer (FORWARD_FAILED), or not
every copy confirmed it in time (NOT_REPLICATED: the primary has it). For these the class
is OutcomeUnknown or DeadlineExceeded. A write that asked for IN_SYNC and was refused
because too few copies are left is Unavailable, reason TOO_FEW_COPIES, NOT_APPLIED. Of
``set_many`` and a ``delete`` of several keys, MAYBE_APPLIED means some of the keys.

Within one call the client has repeated what it could; ``incr`` and conditional sets
carried one request id through all of it. A new call has a new id, and counts anew.

This module imports no gRPC; codes are mapped to these classes in ``_core/failures.py`` alone.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What is known about the effect of a request that failed."""

    NOT_APPLIED = "NOT_APPLIED"
    """It had no effect. Repeating it is safe."""

    MAYBE_APPLIED = "MAYBE_APPLIED"
    """It may have had its effect. Repeating it may have it twice."""


class ShoalError(Exception):
    """Base of everything that the client raises."""

    default_reason = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        outcome: Outcome = Outcome.NOT_APPLIED,
    ) -> None:
        super().__init__(message)
        self.reason = reason if reason is not None else self.default_reason
        self.outcome = outcome


class InvalidRequest(ShoalError, ValueError):
    """The request can never succeed as it is: fix the key, value, TTL or condition."""

    default_reason = "MALFORMED_REQUEST"


class NotServed(ShoalError):
    """The cluster does not serve this method or field (yet)."""

    default_reason = "NOT_SERVED"


class Unauthenticated(ShoalError):
    """The cluster does not know who asks: give the client its token, or its certificate.

    It had no effect.
    """

    default_reason = "UNAUTHENTICATED"


class PermissionDenied(ShoalError):
    """The caller may not do that, or not with this key or tag. It had no effect.

    A batch may have had an effect on its other keys: see ``outcome``.
    """

    default_reason = "PERMISSION_DENIED"


class Unavailable(ShoalError):
    """Nobody could serve the request in time, and it was not applied.

    Reasons are among others UNREACHABLE, NO_OWNER (a takeover is under way), LEASE_EXPIRED,
    and TOO_FEW_COPIES (an IN_SYNC write, with fewer copies in sync than it needs).
    """

    default_reason = "UNREACHABLE"


class ResourceExhausted(ShoalError):
    """A bound was reached, such as the cluster's memory. Not applied."""

    default_reason = "TOO_MANY_REQUESTS"


class DeadlineExceeded(ShoalError, TimeoutError):
    """The call's timeout ran out. ``outcome`` says whether it may have been applied."""

    default_reason = "DEADLINE_EXCEEDED"


class OutcomeUnknown(ShoalError):
    """A write may or may not have been applied.

    Its answer was lost, or it is applied at the primary and not confirmed by every copy in
    sync (reason NOT_REPLICATED).
    """

    default_reason = "CONNECTION_LOST"


class LoadRefused(ShoalError):
    """The guard in front of the origin let a load not pass; the origin was not asked.

    Reasons: TOO_MANY_WAITING (in this process, for loads), ORIGIN_BUSY (the bulkhead and its
    queue are full, or the wait in it was too long), CIRCUIT_OPEN (loads kept failing).
    """

    default_reason = "ORIGIN_BUSY"


class ServerError(ShoalError):
    """A node answered outside the contract, for instance with an internal error."""

    default_reason = "INTERNAL"


class UnreadableValue(ShoalError, ValueError):
    """What is stored under a key was not written by this application's codec.

    Or it was written by another version of it, is signed by nobody who is trusted, or would
    unpack to more than is allowed. It is not read any further.
    """

    default_reason = "UNREADABLE_VALUE"


class ConfigurationError(ShoalError, ValueError):
    """A URL, seed or setting cannot be used."""

    default_reason = "BAD_CONFIGURATION"


class ClientMisuse(ShoalError):
    """The client object was used where it cannot work."""

    default_reason = "CLIENT_MISUSE"


class ClientClosed(ClientMisuse):
    """The client was used after ``close()``."""

    default_reason = "CLIENT_CLOSED"


class ForkedClient(ClientMisuse):
    """The client was used before a fork and again in the child."""

    default_reason = "FORKED_CLIENT"


class WrongEventLoop(ClientMisuse):
    """The asyncio client was used in another loop than it was first used in."""

    default_reason = "WRONG_EVENT_LOOP"
