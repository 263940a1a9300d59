"""``get_or_load``: the plan.

    look       fresh or absent: the answer. Stale: the answer, and a refresh behind it
    fly        one plan of a key in this process; who joins it is given its outcome
    lease      the cluster's turn: whoever is given the fill token loads, others are
               answered by what it stores. A cluster that serves no leases is asked again
               later; until then each process loads for itself
    load       the origin, within its guard
    store      fenced: by the token, or, without leases, only if nothing was written since
               the look. A delete and a late store can then still cross, as in any cache
               without leases: the value lives until its TTL

Invariants:
  - What was loaded without having seen the cache (it failed) is not stored.
  - An outcome whose store was overtaken (the key changed meanwhile) answers the caller who
    led. Who joined came later, perhaps after the change, and so looks again, once.
  - Nobody joins once the store is on its way: who joined has looked before it was applied,
    so that a delete which was over by then has made the store fail.
  - A loader's exception reaches everybody who waits in this process.
  - A token that no value was stored with is given back, whatever the reason.

Time and randomness are arguments. No I/O.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from shoal._core import filling
from shoal._core.core import Core
from shoal._core.filling import Content, Fence, Lease, Looked
from shoal._errors import (
    ClientMisuse,
    DeadlineExceeded,
    InvalidRequest,
    NotServed,
    OutcomeUnknown,
    ResourceExhausted,
    ServerError,
    ShoalError,
    Unavailable,
    UnreadableValue,
)
from shoal._toolkit.counters import Counters
from shoal._toolkit.effects import Ask, Background, Fly, Load, Part, Plan
from shoal._toolkit.freshness import Zone
from shoal._toolkit.recipe import OnError, Recipe
from shoal._toolkit.settings import CacheSettings
from shoal._values import ABSENT, MISSING, AbsentType

_CACHE_FAILED: Final = (
    DeadlineExceeded,
    OutcomeUnknown,
    ResourceExhausted,
    ServerError,
    Unavailable,
)
"""What says that the cache, not its caller, is at fault."""

LEASES_ASKED_AGAIN_SECONDS: Final = 60.0
_ROUNDS: Final = 2
_FRESH: Final = frozenset({Zone.FRESH})
_SERVABLE: Final = frozenset({Zone.FRESH, Zone.STALE})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a flight."""

    value: Any
    is_overtaken: bool = False
    """The key changed while it was loaded: who came later may be owed another value."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a look means under a recipe."""

    looked: Looked | None
    """None: the cache failed."""
    zone: Zone | None
    """None: there is no value."""
    value: Any = MISSING


class Loading:
    """Makes plans for one cache object. Shared by threads."""

    def __init__(self, core: Core, settings: CacheSettings, counters: Counters) -> None:
        self._core = core
        self._counters = counters
        self._serializer = settings.serializer
        self._lease_ms = settings.lease_ms
        self._random = settings.random
        self._leases_from = core.clock()
        """When the cluster is asked for leases (again)."""

    def get_or_load(self, key: bytes, loader: Callable[[], Any], recipe: Recipe) -> Plan[Any]:
        """Return the value, or ABSENT. Raises what the loader raises, LoadRefused, ShoalError."""
        outcome = Outcome(MISSING, is_overtaken=True)
        for _ in range(_ROUNDS):
            read = yield from self._read(key, recipe, near=True)
            if read.zone is Zone.FRESH:
                self._counters.count("absent" if read.value is ABSENT else "hits")
                return read.value
            if read.zone is Zone.STALE:
                self._counters.count("stale")
                yield Background(key, partial(self._refill, key, loader, recipe, read))
                return read.value
            self._counters.count("misses")
            try:
                outcome, led = yield Fly(
                    key, partial(self._fill, key, loader, recipe, read, _SERVABLE)
                )
            except (ClientMisuse, InvalidRequest, NotServed):
                raise
            except Exception:
                if read.zone is not Zone.EXPIRED:
                    raise
                self._counters.count("expired")
                return read.value
            if led:
                break
            self._counters.count("joined")
            if not outcome.is_overtaken:
                break
        return outcome.value

    def refresh(self, key: bytes, loader: Callable[[], Any], recipe: Recipe) -> Plan[Any]:
        """Load whatever the cache holds, and store it in its place; return it."""
        read = yield from self._read(key, recipe)
        if read.looked is None:
            return (yield from self._bypass(key, loader)).value
        return (yield from self._load_and_store(key, loader, recipe, fence_of(read.looked))).value

    def _refill(
        self, key: bytes, loader: Callable[[], Any], recipe: Recipe, read: Read
    ) -> Plan[None]:
        """Refresh what is stale, unless another caller of this process does."""
        yield Fly(key, partial(self._fill, key, loader, recipe, read, _FRESH))

    def _fill(
        self,
        key: bytes,
        loader: Callable[[], Any],
        recipe: Recipe,
        before: Read,
        enough: frozenset[Zone],
    ) -> Plan[Outcome]:
        """Lead: load, or be answered by what another one has stored meanwhile."""
        if before.looked is None:
            return (yield from self._bypass(key, loader))
        gives_up = False
        if before.looked.found is MISSING:
            read, gives_up = yield from self._take_turn(key, recipe)
        else:
            read = yield from self._read(key, recipe)
        if read.zone in enough:
            return Outcome(read.value)
        if read.looked is None or gives_up:
            return (yield from self._bypass(key, loader))
        return (yield from self._load_and_store(key, loader, recipe, fence_of(read.looked)))

    def _bypass(self, key: bytes, loader: Callable[[], Any]) -> Plan[Outcome]:
        """Load, and store nothing: what the cache holds is not known."""
        self._counters.count("bypassed")
        return Outcome((yield from self._load(key, loader)))

    def _take_turn(self, key: bytes, recipe: Recipe) -> Plan[tuple[Read, bool]]:
        """Look until there is a value, or it is this caller's turn.

        The second of what it returns: another one's load took longer than a lease. What is
        loaded then is not fenced, and not stored.
        """
        started = self._core.clock()
        while self._leases_from <= self._core.clock():
            left_ms = self._lease_ms - int((self._core.clock() - started) * 1000)
            wait_ms = max(0, min(left_ms, filling.LONGEST_WAIT_MS))
            try:
                read = yield from self._read(key, recipe, Lease(self._lease_ms, wait_ms))
            except NotServed:
                self._leases_from = self._core.clock() + LEASES_ASKED_AGAIN_SECONDS
                break
            if read.looked is None or read.looked.found is not MISSING or read.looked.fill_token:
                return read, False
            if left_ms <= 0:
                return read, True
        return (yield from self._read(key, recipe)), False

    def _load_and_store(
        self, key: bytes, loader: Callable[[], Any], recipe: Recipe, fence: Fence
    ) -> Plan[Outcome]:
        """Load and store; a token that no value was stored with is given back."""
        token = fence.fill_token
        try:
            value = yield from self._load(key, loader)
            content = self.content(key, value, recipe)
            # A delete may come between the store and its answer. Who begins after that, and
            # finds nothing, must not be given what is removed.
            yield Part(key)
            stored = (
                None if content is None else (yield from self._store(key, content, fence, recipe))
            )
        except Exception:
            yield from self._release(key, token)
            raise
        except (KeyboardInterrupt, SystemExit, CancelledError):
            # Who was interrupted waits for nothing more.
            yield Background(key, partial(self._release, key, token))
            raise
        if stored is None:
            yield from self._release(key, token)
        return Outcome(value, is_overtaken=stored is False)

    def _store(
        self, key: bytes, content: Content, fence: Fence, recipe: Recipe
    ) -> Plan[bool | None]:
        """Return whether it was stored; False: overtaken. None: the cache did not take it."""
        try:
            stored = yield Ask(filling.store(self._core, key, content, fence))
        except _CACHE_FAILED as error:
            self._note_failure(error, recipe)
        except InvalidRequest as error:
            if error.reason != "VALUE_TOO_LARGE":
                raise
        else:
            if not stored.applied:
                self._counters.count("overtaken")
            return bool(stored.applied)
        self._counters.count("unstored")
        return None

    def _release(self, key: bytes, fill_token: bytes) -> Plan[None]:
        """Let the next in line load at once. Where that fails, the token's time ends it."""
        if not fill_token:
            return
        try:
            yield Ask(filling.release(self._core, key, fill_token))
        except ShoalError:
            self._counters.count("cache_failures")

    def _load(self, key: bytes, loader: Callable[[], Any]) -> Plan[Any]:
        self._counters.count("loads")
        try:
            return (yield Load(key, loader))
        except BaseException:
            self._counters.count("failed_loads")
            raise

    def content(self, key: bytes, value: Any, recipe: Recipe) -> Content | None:
        """Return what is stored for a value; None: nothing is. Raises InvalidRequest."""
        times = recipe.lifetime
        if value is MISSING:
            raise InvalidRequest(
                "a loader returned MISSING: return ABSENT where the origin has no value"
            )
        if isinstance(value, AbsentType):
            if not times.absent_ttl_ms:
                return None
            return Content(
                b"", ttl_ms=times.absent_stored_ms(self._random), tags=recipe.tags, is_absent=True
            )
        encoded = self._serializer.encode(value, key)
        return Content(encoded, ttl_ms=times.stored_ms(self._random), tags=recipe.tags)

    def value_of(self, key: bytes, looked: Looked) -> Any:
        """Return what a look found; MISSING also for what cannot be read."""
        if not isinstance(looked.found, bytes):
            return looked.found
        try:
            return self._serializer.decode(looked.found, key)
        except UnreadableValue:
            self._counters.count("unreadable")
            return MISSING

    def _read(
        self, key: bytes, recipe: Recipe, lease: Lease | None = None, *, near: bool = False
    ) -> Plan[Read]:
        try:
            looked: Looked = yield Ask(filling.look(self._core, key, lease, near=near))
        except _CACHE_FAILED as error:
            self._note_failure(error, recipe)
            return Read(None, None)
        value = self.value_of(key, looked)
        if value is MISSING:
            return Read(looked, None)
        zone = Zone.FRESH if value is ABSENT else recipe.lifetime.zone(looked.ttl_ms)
        return Read(looked, zone, value)

    def _note_failure(self, error: ShoalError, recipe: Recipe) -> None:
        self._counters.count("cache_failures")
        if recipe.on_error is OnError.RAISE:
            raise error


def fence_of(looked: Looked) -> Fence:
    """Return what lets a store pass only if nothing came after this look."""
    if looked.fill_token:
        return Fence(fill_token=looked.fill_token)
    return Fence(if_version=None if looked.found is MISSING else looked.version)
