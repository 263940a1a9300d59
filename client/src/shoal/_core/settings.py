"""How a client is set up: one checked, frozen value.

Relations between settings are checked here, once, with a sentence that says what to
change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final

from shoal._core.durations import Duration, duration_ms, format_duration
from shoal._core.near import NearCache
from shoal._core.tls import Tls
from shoal._core.token import Token, checked_token
from shoal._errors import ConfigurationError, InvalidRequest
from shoal._values import Ack, ReadMode

DEFAULT_TIMEOUT: Final = "1s"
"""How long a call may take by default.

A call must ride over what is planned (a partition that moves: milliseconds; a node that
restarts: some hundred milliseconds), and must end before the request that waits for it is
given up on. A crash takes the length of a lease, 3 s, to be replaced: too long to wait for
by default. The caller is better served by an error after a second and by its origin.
"""

DEFAULT_MAX_ATTEMPTS: Final = 1000
"""The deadline bounds a call; this only bounds what a very long one may do."""
DEFAULT_RETRY_BUDGET: Final = 1000
DEFAULT_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_SMALLEST_MAX_MESSAGE_BYTES = 2 * 1024 * 1024

_SEED = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@\[\],?#]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Settings:
    """Invariants: at least one seed, no seed twice, every number above zero."""

    seeds: tuple[str, ...]
    """HOST:PORT each. A host stays a name and is resolved again when it is connected to."""
    timeout_ms: int
    """For a whole call, with all its attempts."""
    max_attempts: int
    """Of one call. Answers that a partition has moved do not count."""
    retry_budget: int
    """How many attempts after the first may be made in a burst, by all calls together."""
    max_message_bytes: int
    """Of one gRPC message, in either direction."""
    ack: Ack | None = None
    """Of every write that names none itself; None leaves it to the operation's default."""
    near: NearCache | None = None
    """None: the client keeps no answers in its own memory."""
    zone: str = ""
    """Where the client is, as the nodes name their zones. Empty: not known."""
    read_from: ReadMode | None = None
    """Of every read that names no mode itself; None: the primary."""
    tls: Tls | None = None
    """None: connections are plain."""
    token: Token | None = None
    """None: the client says who it is by its certificate, if at all."""

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments that ``checked_settings`` makes these from."""
        named: dict[str, Any] = {
            "timeout": format_duration(self.timeout_ms),
            "max_attempts": self.max_attempts,
            "retry_budget": self.retry_budget,
            "max_message_bytes": self.max_message_bytes,
        }
        if self.ack is not None:
            named["ack"] = str(self.ack)
        if self.near is not None:
            named["near"] = self.near
        if self.zone:
            named["zone"] = self.zone
        if self.read_from is not None:
            named["read_from"] = str(self.read_from)
        if self.tls is not None:
            named["tls"] = self.tls
        if self.token is not None:
            named |= {"token": self.token.text, "token_file": self.token.file}
        return named


def checked_settings(
    seeds: Sequence[str],
    *,
    timeout: Duration = DEFAULT_TIMEOUT,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    retry_budget: int = DEFAULT_RETRY_BUDGET,
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    ack: Ack | str | None = None,
    near: NearCache | None = None,
    zone: str = "",
    read_from: ReadMode | str | None = None,
    tls: Tls | None = None,
    token: str | None = None,
    token_file: str | PathLike[str] | None = None,
) -> Settings:
    """Return settings, or raise ConfigurationError with a sentence that says what to change."""
    if isinstance(seeds, str):
        raise ConfigurationError(
            f"seeds must be a list of 'HOST:PORT', not one string; "
            f"for a URL there is Client.from_url({seeds!r})"
        )
    unique = tuple(dict.fromkeys(checked_seed(seed) for seed in seeds))
    if not unique:
        raise ConfigurationError("name at least one seed, as 'HOST:PORT' of any node")
    try:
        timeout_ms = duration_ms(timeout, "timeout")
    except InvalidRequest as error:
        raise ConfigurationError(str(error)) from error
    try:
        ack_for_all = None if ack is None else Ack(ack)
    except ValueError as error:
        raise ConfigurationError(f"ack must be 'primary' or 'in_sync', not {ack!r}") from error
    if not isinstance(zone, str):
        raise ConfigurationError(f"zone must be a name such as 'zone-a', not {zone!r}")
    if near is not None and not isinstance(near, NearCache):
        raise ConfigurationError(f"near must be a shoal.NearCache, not {near!r}")
    if tls is not None and not isinstance(tls, Tls):
        raise ConfigurationError(f"tls must be a shoal.Tls, not {tls!r}")
    return Settings(
        seeds=unique,
        timeout_ms=timeout_ms,
        max_attempts=_at_least("max_attempts", max_attempts, 1),
        retry_budget=_at_least("retry_budget", retry_budget, 0),
        max_message_bytes=_at_least(
            "max_message_bytes", max_message_bytes, _SMALLEST_MAX_MESSAGE_BYTES
        ),
        ack=ack_for_all,
        near=near,
        zone=zone,
        read_from=_read_from(read_from, zone),
        tls=tls,
        token=checked_token(token, token_file),
    )


def _read_from(read_from: ReadMode | str | None, zone: str) -> ReadMode | None:
    try:
        mode = None if read_from is None else ReadMode(read_from)
    except ValueError as error:
        raise ConfigurationError(
            f"read_from must be 'primary', 'any' or 'nearest', not {read_from!r}"
        ) from error
    if mode is ReadMode.NEAREST and not zone:
        raise ConfigurationError(
            "read_from='nearest' needs zone=, the zone that the nodes beside this client were "
            "started with"
        )
    return None if mode is ReadMode.PRIMARY else mode


def checked_seed(seed: str) -> str:
    """Return a seed if it reads HOST:PORT, else raise ConfigurationError."""
    found = _SEED.fullmatch(seed) if isinstance(seed, str) else None
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ConfigurationError(
            f"{seed!r} is no node's address: write HOST:PORT, such as 'cache-1:7400' "
            "or '[::1]:7400'"
        )
    return seed


def _at_least(name: str, number: int, least: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ConfigurationError(f"{name} must be a whole number from {least} up, not {number!r}")
    return number
