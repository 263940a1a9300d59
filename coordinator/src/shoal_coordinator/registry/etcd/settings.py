"""How long the store waits for etcd, and how much it asks at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """Times are seconds. The defaults suit one data centre."""

    connect_timeout_seconds: float = 1.0
    """For one endpoint; then the next is tried."""
    call_timeout_seconds: float = 2.0
    """For one answer; then the next endpoint is asked, where asking again is safe."""
    give_up_seconds: float = 6.0
    """For all attempts of one call together."""
    probe_seconds: float = 2.0
    """A watch that has heard nothing for so long asks for a sign of life."""
    silence_seconds: float = 6.0
    """A watch that has heard nothing for so long is opened again elsewhere."""
    commits_in_flight_max: int = 64
    """More wait for their turn."""
    items_per_page: int = 2000

    def __post_init__(self) -> None:
        if not self.connect_timeout_seconds < self.give_up_seconds:
            raise ValueError("connect_timeout_seconds must be below give_up_seconds")
        if not self.call_timeout_seconds < self.give_up_seconds:
            raise ValueError("call_timeout_seconds must be below give_up_seconds")
        if not self.probe_seconds < self.silence_seconds:
            raise ValueError(
                "probe_seconds must be below silence_seconds, so that an answer can arrive"
            )
