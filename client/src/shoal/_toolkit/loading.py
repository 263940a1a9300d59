"""``get_or_load``: the plan.

    look       fresh or absent: the answer. Stale: the answer, at once. Whoever is given the
               token to refresh it, which may be a little before it is stale, does so behind
               the answer
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
  - A token that no value was stored with is given back, whatever the reason; where the
    loader failed, so that the value is left as it is for a while.

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
from shoal._values import ABSENT, MISSING, AbsentType, MissingType

CACHE_FAILED: Final = (
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

    @property
    def token(self) -> bytes:
        """To load with; empty: it is not this caller's turn, or nobody asked."""
        return b"" if self.looked is None else self.looked.fill_token

    @property
    def is_due(self) -> bool:
        """Whether this caller refreshes the value that it found."""
        if self.looked is None:
            return False
        if self.looked.fill_token:
            return True
        # Of what was stored without a fresh time the node gives no token.
        return self.zone is Zone.STALE and not self.looked.has_fresh_time

    @property
    def needs_turn(self) -> bool:
        """Whether the cluster says who loads: there is nothing, or nothing fresh."""
        return self.looked is not None and (
            self.looked.found is MISSING or self.looked.has_fresh_time
        )


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
        value = self._held(key, recipe)
        if value is not MISSING:
            return value
        outcome = Outcome(MISSING, is_overtaken=True)
        for _ in range(_ROUNDS):
            read = yield from self._first_look(key, recipe)
            if read.zone in (Zone.FRESH, Zone.STALE):
                if read.is_due:
                    yield Background(key, partial(self._refill, key, loader, recipe, read))
                return self._served(read)
            self._counters.count("misses")
            try:
                outcome, led = yield Fly(
                    key, partial(self._fill, key, loader, recipe, read, _SERVABLE)
                )
            except (ClientMisuse, InvalidRequest, NotServed):
                raise
            except Exception:
                # Void already where this one led.
                yield from self._release(key, read.token)
                if read.zone is not Zone.EXPIRED:
                    raise
                self._counters.count("expired")
                return read.value
            if led:
                break
            yield from self._release(key, read.token)
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

    def _served(self, read: Read) -> Any:
        if read.zone is Zone.STALE:
            self._counters.count("stale")
        else:
            self._counters.count("absent" if read.value is ABSENT else "hits")
        return read.value

    def _held(self, key: bytes, recipe: Recipe) -> Any:
        """Return what this client's memory has, if it is fresh, without any effect: such a hit
        is what a hot key costs an application. MISSING: look."""
        near = filling.look_near(self._core, key)
        if near is None:
            return MISSING
        if not near.has_fresh_time and recipe.lifetime.zone(near.ttl_ms) is not Zone.FRESH:
            return MISSING
        value = self.value_of(key, near.found)
        if value is not MISSING:
            self._counters.count("absent" if value is ABSENT else "hits")
        return value

    def _first_look(self, key: bytes, recipe: Recipe) -> Plan[Read]:
        """Look, and be given the token to refresh what is there, if it is due."""
        if self._leases_from > self._core.clock():
            return (yield from self._read(key, recipe))
        try:
            lease = Lease(self._lease_ms, refresh_only=True)
            return (yield from self._read(key, recipe, lease))
        except NotServed:
            self._leases_from = self._core.clock() + LEASES_ASKED_AGAIN_SECONDS
            return (yield from self._read(key, recipe))

    def _refill(
        self, key: bytes, loader: Callable[[], Any], recipe: Recipe, read: Read
    ) -> Plan[None]:
        """Refresh what is due, unless another caller of this process does."""
        assert read.looked is not None
        token = read.looked.fill_token
        if not token:
            yield Fly(key, partial(self._fill, key, loader, recipe, read, _FRESH))
            return
        fence = fence_of(read.looked)
        try:
            _, is_led = yield Fly(key, partial(self._load_and_store, key, loader, recipe, fence))
        except Exception:
            # Void already where this one led.
            yield from self._release(key, token)
            raise
        if not is_led:
            yield from self._release(key, token)

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
        if before.token:
            # What was found is expired, and its refresh this one's turn: nobody else has it.
            return (yield from self._load_and_store(key, loader, recipe, fence_of(before.looked)))
        gives_up = False
        if before.needs_turn:
            read, gives_up = yield from self._take_turn(key, recipe, enough)
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

    def _take_turn(
        self, key: bytes, recipe: Recipe, enough: frozenset[Zone]
    ) -> Plan[tuple[Read, bool]]:
        """Look until there is a value, good enough, or it is this caller's turn.

        The second of what it returns: another one's load took longer than a lease. What is
        loaded then is not fenced, and not stored.
        """
        started = self._core.clock()
        while self._leases_from <= self._core.clock():
            left_ms = self._lease_ms - int((self._core.clock() - started) * 1000)
            wait_ms = max(0, min(left_ms, filling.LONGEST_WAIT_MS))
            try:
                lease = Lease(self._lease_ms, wait_ms, fresh_only=True)
                read = yield from self._read(key, recipe, lease)
            except NotServed:
                self._leases_from = self._core.clock() + LEASES_ASKED_AGAIN_SECONDS
                break
            if read.looked is None or read.looked.fill_token or read.zone in enough:
                return read, False
            if not read.needs_turn:
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
            yield from self._release(key, token, has_failed=True)
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
        except CACHE_FAILED as error:
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

    def _release(self, key: bytes, fill_token: bytes, *, has_failed: bool = False) -> Plan[None]:
        """Let the next in line load at once. Where that fails, the token's time ends it."""
        if not fill_token:
            return
        try:
            yield Ask(filling.release(self._core, key, fill_token, has_failed=has_failed))
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
        ttl_ms, fresh_ms = times.stored_ms(self._random)
        return Content(encoded, ttl_ms=ttl_ms, tags=recipe.tags, fresh_ms=fresh_ms)

    def value_of(self, key: bytes, found: bytes | MissingType | AbsentType) -> Any:
        """Return what a look found; MISSING also for what cannot be read."""
        if not isinstance(found, bytes):
            return found
        try:
            return self._serializer.decode(found, key)
        except UnreadableValue:
            self._counters.count("unreadable")
            return MISSING

    def _read(self, key: bytes, recipe: Recipe, lease: Lease | None = None) -> Plan[Read]:
        try:
            looked: Looked = yield Ask(filling.look(self._core, key, lease))
        except CACHE_FAILED as error:
            self._note_failure(error, recipe)
            return Read(None, None)
        value = self.value_of(key, looked.found)
        if value is MISSING:
            return Read(looked, None)
        if value is ABSENT:
            return Read(looked, Zone.FRESH, value)
        is_stale = looked.is_stale if looked.has_fresh_time else None
        return Read(looked, recipe.lifetime.zone(looked.ttl_ms, is_stale=is_stale), value)

    def _note_failure(self, error: ShoalError, recipe: Recipe) -> None:
        self._counters.count("cache_failures")
        if recipe.on_error is OnError.RAISE:
            raise error


def fence_of(looked: Looked) -> Fence:
    """Return what lets a store pass only if nothing came after this look."""
    if looked.fill_token:
        return Fence(fill_token=looked.fill_token)
    return Fence(if_version=None if looked.found is MISSING else looked.version)
