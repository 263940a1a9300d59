"""The near cache: answers of the cluster, kept in the client's own memory for a short time.

    held       a value that a node granted for a time (``near_ms``), until that is over: if the
               client was told of the partition's changes when it asked (``invalidations.py``
               says when it is). What has no grant is not held, unless the application says for
               how long it may be
    dropped    when this client writes the key, when it is told that the key or its partition
               was changed, when its time is over, or when memory is short: least used first
               (TinyLFU)
    refused    an answer that was on its way while its partition was changed: it may be older

Invariants: what is held takes at most ``max_bytes`` by the measure of ``weight_bytes``; what
was dropped is never answered again; a value is never answered past its grant, counted from
when it was asked for, nor past its time to live. So an answer is at most as old as its grant.

Bounded by a library (moka-py), which is imported when the first client has a near cache. Time
is an argument, in seconds. Shared by threads: whatever changes what is held has a lock, so that
nothing is held that was dropped between the look at its mark and its entry. A hit takes none:
counts may miss one in a race.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NamedTuple

from shoal._core.durations import Duration, duration_ms
from shoal._errors import ConfigurationError, InvalidRequest
from shoal._values import AbsentType, Version

ENTRY_BYTES: Final = 800
"""What an entry takes besides key and value: 802 of 918 bytes each, by the growth of a
CPython 3.11 process that held 100,000 of them."""
_LEAST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class NearCache:
    """How a client keeps answers in its own memory: ``Client(..., near=NearCache(...))``.

    Reads that name no mode, or ``read="any"``, may then be answered from memory, and so may
    be as old as their grant; ``read="primary"`` always asks.
    """

    max_bytes: int = 16 * 1024 * 1024
    """Of everything that is held, with what Python needs for it."""
    without_grant: Duration | None = None
    """For how long to hold what the cluster granted nothing for; None: not at all."""

    def __post_init__(self) -> None:
        if self.max_bytes < _LEAST_BYTES:
            raise ConfigurationError(f"max_bytes must be {_LEAST_BYTES} or more")
        if self.without_grant is not None:
            try:
                duration_ms(self.without_grant, "without_grant")
            except InvalidRequest as error:
                raise ConfigurationError(str(error)) from error


@dataclass(frozen=True, slots=True)
class NearStats:
    """Counts since the client was made, and what is held now."""

    hits: int
    misses: int
    entries: int
    held_bytes: int
    """By the measure of the bound."""
    hit_age_seconds: float
    """How old the last hit was."""
    oldest_hit_seconds: float
    """How old the oldest hit was."""
    dropped: int
    """By a write of this client, or told of one, key by key."""
    dropped_partitions: int
    """By a change of many keys, a gap in what is told of changes, or a new primary."""
    expired: int
    """Their grant was over."""
    evicted: int
    """Memory was short."""
    refused: int
    """Answers that were overtaken by a change."""
    told_partitions: int
    """Of whose changes this client is told now: what is granted of others is not held."""


class Moment:
    """How a partition stands now. Written under the near cache's lock."""

    __slots__ = ("drops", "epoch", "generation")

    def __init__(self) -> None:
        self.generation = 0
        """Rises when everything is dropped: what was held before is void."""
        self.drops = 0
        """Rises whenever an answer that is on its way may be too old to be held."""
        self.epoch = 0
        """Of the primary that tells this client of the partition's changes. 0: none does."""


@dataclass(slots=True)
class Held:
    """One entry. Never changed; but a frozen one is slow to make."""

    value: bytes | AbsentType
    until: float
    moment: Moment
    generation: int
    since: float
    version: Version
    ends_at: float
    """When its time to live is over; 0.0: never."""
    fresh_until: float
    """Until when it is fresh; 0.0: it has no such time."""


class Mark(NamedTuple):
    """The state of a partition before a read."""

    moment: Moment
    generation: int
    drops: int
    epoch: int
    """A grant of an answer holds if it is of this epoch or an older one. 0: no grant holds."""
    at: float


class Near:
    """What one client holds."""

    def __init__(self, settings: NearCache) -> None:
        import moka_py

        self._held: Any = moka_py.Moka(
            settings.max_bytes, weigher=weight_bytes, eviction_listener=self._note_end
        )
        self._find = self._held.get
        self._without_grant_ms = (
            0 if settings.without_grant is None else duration_ms(settings.without_grant)
        )
        self._moments: dict[int, Moment] = {}
        self._changing = Lock()
        self._hits = self._misses = self._refused = self._dropped = 0
        self._dropped_partitions = self._expired = self._evicted = 0
        self._hit_age = self._oldest_hit = 0.0

    def get(self, key: object, now: float) -> Held | None:
        """Return what may be answered from memory: nothing for what cannot be a key."""
        # Here, not in wire_key: a call is a tenth of a hit, and what is held was checked.
        if isinstance(key, str):
            try:
                key = key.encode()
            except UnicodeEncodeError:
                return None
        elif not isinstance(key, bytes):
            return None
        held: Held | None = self._find(key)
        if held is None or held.until <= now or held.moment.generation != held.generation:
            self._misses += 1
            return None
        self._hits += 1
        age = self._hit_age = now - held.since
        if age > self._oldest_hit:
            self._oldest_hit = age
        return held

    def mark(self, partition: int, epoch: int, now: float) -> Mark:
        """Note how a partition stands, before the primary of an epoch is asked."""
        with self._changing:
            moment = self._moment(partition)
            told = epoch if moment.epoch == epoch else 0
            return Mark(moment, moment.generation, moment.drops, told, now)

    def admit(
        self,
        key: bytes,
        value: bytes | AbsentType,
        version: Version,
        *,
        ttl_ms: int,
        fresh_ms: int = 0,
        near_ms: int,
        mark: Mark,
        now: float,
    ) -> None:
        """Hold an answer, if it was granted and nothing changed since the mark."""
        granted_ms, since = self._without_grant_ms, now
        # A version is at most of the epoch of the primary that answers: this one is not newer
        # than the one that tells of changes.
        if near_ms and version.epoch <= mark.epoch:
            granted_ms, since = near_ms, mark.at
        if not granted_ms:
            return
        until = since + min(granted_ms, ttl_ms or granted_ms, fresh_ms or granted_ms) / 1000
        if until <= now:
            return
        held = Held(
            value,
            until,
            mark.moment,
            mark.generation,
            since,
            version,
            ends_at=since + ttl_ms / 1000 if ttl_ms else 0.0,
            fresh_until=since + fresh_ms / 1000 if fresh_ms else 0.0,
        )
        moment = mark.moment
        with self._changing:
            if (moment.generation, moment.drops) != (mark.generation, mark.drops):
                self._refused += 1
                return
            self._held.set(key, held, ttl=until - now)

    def drop(self, key: bytes, partition: int) -> None:
        """Forget a key that is changed, and refuse answers that are under way."""
        with self._changing:
            self._moment(partition).drops += 1
            if self._held.remove(key) is not None:
                self._dropped += 1

    def drop_partition(self, partition: int) -> None:
        """Forget everything of a partition, whatever it holds, at once."""
        with self._changing:
            self._moment(partition).generation += 1
            self._dropped_partitions += 1

    def follow(self, partition: int, epoch: int) -> None:
        """Its primary of this epoch tells of its changes from here on; 0: nobody does.

        Answers that are under way are refused: they were asked for under other terms.
        """
        with self._changing:
            moment = self._moment(partition)
            moment.epoch = epoch
            moment.drops += 1

    def _moment(self, partition: int) -> Moment:
        moment = self._moments.get(partition)
        if moment is None:
            moment = self._moments[partition] = Moment()
        return moment

    def stats(self) -> NearStats:
        """Return what was counted, and what is held."""
        self._held.run_pending_tasks()
        return NearStats(
            hits=self._hits,
            misses=self._misses,
            entries=self._held.count(),
            held_bytes=self._held.weighted_size(),
            hit_age_seconds=self._hit_age,
            oldest_hit_seconds=self._oldest_hit,
            dropped=self._dropped,
            dropped_partitions=self._dropped_partitions,
            expired=self._expired,
            evicted=self._evicted,
            refused=self._refused,
            told_partitions=sum(moment.epoch > 0 for moment in list(self._moments.values())),
        )

    def _note_end(self, _key: bytes, _held: Held, cause: str) -> None:
        if cause == "expired":
            self._expired += 1
        elif cause == "size":
            self._evicted += 1


def weight_bytes(key: bytes, held: Held) -> int:
    """Return what an entry takes."""
    value = held.value
    return ENTRY_BYTES + len(key) + (len(value) if isinstance(value, bytes) else 0)
