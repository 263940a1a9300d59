"""What one run of the demo is asked to do, checked when it is made.

The relations between the settings are checked here, so that a run that could show
nothing is refused before anything is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shoal.demo.failures import DemoFailed
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT

MS_PER_SECOND = 1_000
NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000
KILL_SECONDS_MIN = 8.0
"""How much of the run must be left after a kill."""


class Mode(StrEnum):
    """How the application behind the demo uses its cache; one strategy file each."""

    NAIVE = "naive"
    """Plain cache-aside, a fixed TTL: every caller that misses queries the origin."""

    LEASED = "leased"
    """Cache-aside by the toolkit: one load of a key at a time in the whole cluster."""


class SettingsRefused(DemoFailed):
    """The settings do not fit together; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. Times are from the start of the load, not of the preparation."""

    mode: Mode
    seconds: float = 60.0
    workers: int = 4
    threads: int = 8
    products: int = 200_000
    ttl_ms: int = 10_000
    think_ms: float = 10.0
    """Mean pause of a thread between two reads; exponentially distributed."""
    seed: int = 1
    sale_share: float = 0.2
    """The sale starts after this share of the run."""
    viral_share: float = 0.4
    """Once the sale is on, this share of all reads is for the viral product."""
    zipf_exponent: float = 1.1
    price_changes_per_second: float = 10.0
    kill: bool = False
    """A node is killed in the middle of the sale: the primary of the viral product."""
    kill_share: float = 0.6
    """The node is killed after this share of the run."""
    add_node: bool = False
    """One node more joins in the middle of the sale."""
    add_share: float = 0.4
    """It joins after this share of the run."""

    def __post_init__(self) -> None:
        if self.workers < 1 or self.threads < 1:
            raise SettingsRefused("There must be at least one worker with one thread.")
        if self.products <= VIRAL_PRODUCT:
            raise SettingsRefused(f"--products must be above {VIRAL_PRODUCT}.")
        if self.ttl_ms < 1 or self.think_ms < 0 or self.seconds <= 0:
            raise SettingsRefused("--ttl and --seconds must be positive, --think not negative.")
        after_the_sale_ms = (self.seconds - self.sale_at_seconds) * MS_PER_SECOND
        if self.ttl_ms * 1.2 >= after_the_sale_ms:
            raise SettingsRefused(
                f"The sale lasts {after_the_sale_ms / MS_PER_SECOND:.1f} s, so that with a TTL of "
                f"{self.ttl_ms / MS_PER_SECOND:.1f} s the viral key would hardly expire once. "
                "Give a longer --seconds or a shorter --ttl."
            )

        if self.kill and self.seconds - self.kill_at_seconds < KILL_SECONDS_MIN:
            raise SettingsRefused(
                f"After a kill another node takes over within about 4 s; give at least --seconds "
                f"{KILL_SECONDS_MIN / (1 - self.kill_share):.0f}, so that it can be seen."
            )

    @property
    def kill_at_seconds(self) -> float:
        return self.seconds * self.kill_share

    @property
    def add_at_seconds(self) -> float:
        return self.seconds * self.add_share

    @property
    def sale_at_seconds(self) -> float:
        return self.seconds * self.sale_share

    @property
    def callers(self) -> int:
        """Threads in all worker processes: the most that can miss one key at once."""
        return self.workers * self.threads

    @property
    def viral_price_change_seconds(self) -> float:
        """Between two price changes of the viral product.

        Rarer than the TTL, so that most of its misses are expiries, not invalidations.
        """
        return 2.5 * self.ttl_ms / MS_PER_SECOND
