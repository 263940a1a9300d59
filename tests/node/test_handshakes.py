"""What is told of TLS handshakes that fail."""

from __future__ import annotations

from shoal_node.handshakes import failures
from shoal_node.snapshot import Handshakes


def test_only_new_failures_are_told_by_side() -> None:
    before = {"accepted": Handshakes(5, 1, "10.0.0.1: late"), "made": Handshakes(2, 0, "")}
    assert failures(before, before) == []
    now = {
        "accepted": Handshakes(9, 4, "10.0.0.2: UnknownCA"),
        "made": Handshakes(2, 1, "n2:7400: not valid for name"),
    }
    assert failures(before, now) == [
        "TLS handshakes of callers failed: 3, the last with 10.0.0.2: UnknownCA",
        "TLS handshakes with other nodes failed: 1, the last with n2:7400: not valid for name",
    ]
    assert failures({}, before) == [
        "TLS handshakes of callers failed: 1, the last with 10.0.0.1: late"
    ]
    assert failures({}, {}) == []
