"""What a failed call to etcd means, mapped in this one place.

Only etcd's own word counts as a definite answer: the same gRPC code may come from
the transport, after the request was sent.
"""

from __future__ import annotations

import grpc

from shoal_coordinator.registry.port import (
    LeaseLost,
    OutcomeUnknown,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)

_FROM_ETCD = "etcdserver: "
_LEASE_NOT_FOUND = "etcdserver: requested lease not found"
# gRPC says these before anything is sent.
_NOT_SENT = ("failed to connect to all addresses", "connections to all backends failing")
# etcd says this before it looks at the request.
_NO_LEADER = "etcdserver: no leader"

_BUSY = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.FAILED_PRECONDITION})
_REFUSED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def commit_error(code: grpc.StatusCode, details: str) -> StoreError:
    """What a commit's failure means: unless etcd refused it, it may have been applied."""
    definite = _definite(code, details)
    if definite is not None:
        return definite
    return OutcomeUnknown(f"etcd's answer to a commit was lost: {code.name}, {details}")


def call_error(code: grpc.StatusCode, details: str) -> StoreError:
    """What the failure of a call means that is safe to repeat."""
    definite = _definite(code, details)
    if definite is not None:
        return definite
    return StoreUnavailable(f"etcd did not answer: {code.name}, {details}")


def _definite(code: grpc.StatusCode, details: str) -> StoreError | None:
    """The meaning of a failure that certainly applied nothing; ``None`` for any other."""
    if code is grpc.StatusCode.UNAVAILABLE:
        if details.startswith(_NOT_SENT) or details == _NO_LEADER:
            return StoreUnavailable(f"etcd is not reachable or has no leader: {details}")
        return None
    if not details.startswith(_FROM_ETCD):
        return None
    if details == _LEASE_NOT_FOUND:
        return LeaseLost("etcd knows no such lease (any more): grant a new one")
    if code in _BUSY:
        return StoreUnavailable(f"etcd does not take the request now: {details}")
    if code in _REFUSED:
        return StoreRefused(f"etcd refused the request: {details}")
    return None
