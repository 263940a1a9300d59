"""A client's settings as one URL: ``shoal://cache-1:7400,cache-2:7400?timeout=250ms``.

The host part lists the seeds. The query holds settings by the names that ``Client`` has
for them; ``near`` is the bytes of a near cache. There is no path, user or fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from shoal._core.near import NearCache
from shoal._core.settings import Settings, checked_settings
from shoal._errors import ConfigurationError

SCHEME = "shoal"
_READERS: Mapping[str, Callable[[str], Any]] = {
    "timeout": str,
    "max_attempts": int,
    "retry_budget": int,
    "max_message_bytes": int,
    "ack": str,
    "zone": str,
    "read_from": str,
    "near": lambda text: NearCache(max_bytes=int(text)),
}


def settings_from_url(url: str, overrides: Mapping[str, Any]) -> Settings:
    """Read a URL; ``overrides`` win over its query. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme != SCHEME:
        raise ConfigurationError(f"{url!r} must begin with 'shoal://', then HOST:PORT")
    if "@" in parts.netloc:
        raise ConfigurationError("a shoal:// URL holds no user or password: take them out")
    if parts.path not in ("", "/") or parts.fragment:
        raise ConfigurationError(f"{url!r} must end after the seeds and the ?settings")
    named = {**_query(parts.query), **overrides}
    unknown = sorted(set(named) - set(_READERS))
    if unknown:
        raise ConfigurationError(
            f"there is no setting {unknown[0]!r}; there are {', '.join(sorted(_READERS))}"
        )
    seeds = [seed for seed in parts.netloc.split(",") if seed]
    return checked_settings(seeds, **named)


def url_of(settings: Settings) -> str:
    """Write settings as the URL that ``settings_from_url`` reads.

    Of a near cache it holds the bound alone, not what is held without a grant.
    """
    named = settings.keywords()
    if settings.near is not None:
        named["near"] = settings.near.max_bytes
    query = urlencode(named)
    return f"{SCHEME}://{','.join(settings.seeds)}?{query}"


def _query(query: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise ConfigurationError(f"?{query} must be name=value&name=value") from error
    for name, text in pairs:
        if name in named:
            raise ConfigurationError(f"the setting {name!r} stands twice in the URL")
        try:
            named[name] = _READERS.get(name, str)(text)
        except ValueError as error:
            raise ConfigurationError(f"{name}={text} must be a whole number") from error
    return named
