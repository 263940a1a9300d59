"""How patient a node is. Values, with the relations between them checked."""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.process.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays and bounds of a node's decisions."""

    promote_delay_ms: int = 100
    """How long each copy in sync gives the one before it to take over with its data."""
    follow_delay_ms: int = 2_000
    """How long each candidate gives the one before it where no copy in sync is left.

    Long: the candidates are nodes that live, so that the first is only slow, not gone,
    and what the second takes in its place has to be moved back.
    """
    ask_again_ms: int = 1_000
    """How old an answer about a peer's copies may be before it is asked again."""
    mass_loss_hold_ms: int = 6_000
    """For how long take-overs wait when more than half of the nodes vanish at once."""
    silence_ms: int = 1_500
    """Keepalives that are further apart tell of an etcd that was away, for this node.

    Half a TTL: what lasts long enough to cost anybody a lease is noticed by all.
    """
    return_hold_ms: int = 4_500
    """For how long after that, and after its own registration, a node takes nobody's copy
    for lost whose key is not there: a TTL and a half, for others to be back, too."""
    retry_delay_ms: int = 250
    """After a take-over, or a change of who is in sync, that did not come about."""
    hand_over_retry_ms: int = 1_000
    """After a hand-over that did not: each attempt lets the partition wait."""
    take_overs_at_once: int = 32
    """Take-overs on their way at a time: the bound on a promotion storm."""
    hand_overs_at_once: int = 2
    """Partitions frozen at a time for the coordinator's plan: each waits for the others."""
    stopping_hand_overs_at_once: int = 2
    """The same, when the node stops, at least."""
    stopping_turns: int = 100
    """By so much what a node serves is divided when it stops: such a part is given at a time."""
    changes_at_once: int = 16
    """Changes of who is in sync on their way at a time."""
    lag_limit_ms: int = 1_000
    """A copy that has not acknowledged a record of this age is in sync no longer."""
    near_ms: int = 100
    """A copy that lags no more is near enough to wait for: to join, to be handed over to."""
    join_limit_ms: int = 1_000
    """For how long IN_SYNC writes wait for a copy that is to join; then it is left alone."""
    join_pause_ms: int = 5_000
    """For so long nobody is waited for after that: IN_SYNC writes shall go on."""
    drain_ms: int = 40
    """For how long a frozen partition waits for the copy that it is handed to."""
    replication_poll_ms: int = 20
    """How often all of it is read while a copy is about to join: each sequence counts then."""
    replication_look_ms: int = 250
    """How often all of it is read although there was no news: lags grow without any."""

    def __post_init__(self) -> None:
        if self.promote_delay_ms <= 0 or self.follow_delay_ms <= 0 or self.retry_delay_ms <= 0:
            raise BadSettings("delays must be at least 1 ms")
        if self.mass_loss_hold_ms < self.follow_delay_ms:
            raise BadSettings("mass_loss_hold_ms must not be shorter than follow_delay_ms")
        if not 0 < self.silence_ms < self.return_hold_ms:
            raise BadSettings("return_hold_ms must be longer than silence_ms")
        if min(self.take_overs_at_once, self.hand_overs_at_once, self.changes_at_once) < 1:
            raise BadSettings(
                "at least one take-over, hand-over and change must be allowed at a time"
            )
        if not 0 < self.near_ms <= self.lag_limit_ms:
            raise BadSettings("near_ms must not be longer than lag_limit_ms")
