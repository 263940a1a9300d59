"""How a fake node fails a request: as the status that a node would answer."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2


def status(
    code: int,
    reason: str,
    *,
    outcome: str = "NOT_APPLIED",
    message: str = "a sentence",
    retry_after_ms: int | None = None,
    **metadata: str,
) -> status_pb2.Status:
    """What a node answers when it fails a request."""
    details = [
        error_details_pb2.ErrorInfo(
            domain="shoal", reason=reason, metadata={"outcome": outcome, **metadata}
        )
    ]
    if retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_after_ms)
        details.append(retry)
    packed = []
    for detail in details:
        any_message = AnyMessage()
        any_message.Pack(detail)
        packed.append(any_message)
    return status_pb2.Status(code=code, message=message, details=packed)


class Refused(Exception):
    def __init__(self, refusal: status_pb2.Status) -> None:
        super().__init__(refusal.message)
        self.status = refusal
