"""How patient a node is. Values, with the relations between them checked."""

from __future__ import annotations

from dataclasses import dataclass

from shoal_node.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays and bounds of a node's decisions."""

    follow_delay_ms: int = 2_000
    """How long each candidate gives the one before it to take a vacant partition.

    Long: the candidates are nodes that live, so that the first is only slow, not gone,
    and what the second takes in its place has to be moved back, cold.
    """
    mass_loss_hold_ms: int = 6_000
    """For how long take-overs wait when more than half of the nodes vanish at once."""
    retry_delay_ms: int = 250
    """After a take-over that did not come about."""
    hand_over_retry_ms: int = 2_000
    """After a hand-over that did not: each attempt lets the partition wait."""
    take_overs_at_once: int = 32
    """Take-overs on their way at a time: the bound on a promotion storm."""
    hand_overs_at_once: int = 4
    """Partitions frozen at a time for the coordinator's plan."""
    stopping_hand_overs_at_once: int = 16
    """The same, when the node stops: nobody is served better by waiting."""

    def __post_init__(self) -> None:
        if self.follow_delay_ms <= 0 or self.retry_delay_ms <= 0:
            raise BadSettings("delays must be at least 1 ms")
        if self.mass_loss_hold_ms < self.follow_delay_ms:
            raise BadSettings("mass_loss_hold_ms must not be shorter than follow_delay_ms")
        if min(self.take_overs_at_once, self.hand_overs_at_once) < 1:
            raise BadSettings("at least one take-over and one hand-over must be allowed at a time")
