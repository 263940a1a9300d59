"""A client's settings as one URL: ``shoal://cache-1:7400,cache-2:7400?timeout=250ms``.

``shoals://`` speaks TLS: ``shoals://cache-1:7400?tls_ca=/etc/shoal/ca.pem``.

The host part lists the seeds. The query holds settings by the names that ``Client`` has
for them; ``near`` is the bytes of a near cache. There is no path, user or fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from shoal._core.near import NearCache
from shoal._core.settings import Settings, checked_settings
from shoal._core.tls import Tls
from shoal._errors import ConfigurationError

SCHEME = "shoal"
TLS_SCHEME = "shoals"
_TLS_FIELDS: Mapping[str, str] = {
    "tls_ca": "authority",
    "tls_cert": "certificate",
    "tls_key": "key",
    "tls_server_name": "server_name",
}
"""By their names in the query: fields of ``Tls``."""
_READERS: Mapping[str, Callable[[str], Any]] = {
    "timeout": str,
    "max_attempts": int,
    "retry_budget": int,
    "max_message_bytes": int,
    "ack": str,
    "zone": str,
    "read_from": str,
    "token_file": str,
    "near": lambda text: NearCache(max_bytes=int(text)),
}


def settings_from_url(url: str, overrides: Mapping[str, Any]) -> Settings:
    """Read a URL; ``overrides`` win over its query. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in {SCHEME, TLS_SCHEME}:
        raise ConfigurationError(
            f"{url!r} must begin with 'shoal://', or with 'shoals://' for TLS, then HOST:PORT"
        )
    if "@" in parts.netloc:
        raise ConfigurationError("a shoal:// URL holds no user or password: take them out")
    if parts.path not in ("", "/") or parts.fragment:
        raise ConfigurationError(f"{url!r} must end after the seeds and the ?settings")
    named = _query(parts.query)
    if "token" in named:
        raise ConfigurationError(
            "a token does not belong into a URL, which is shown and logged: give token=, or name "
            "its file as ?token_file="
        )
    of_tls = {field: named.pop(name) for name, field in _TLS_FIELDS.items() if name in named}
    if parts.scheme == TLS_SCHEME:
        named["tls"] = Tls(**of_tls)
    elif of_tls:
        raise ConfigurationError("tls_ca and the like are for TLS: begin the URL with 'shoals://'")
    named |= overrides
    unknown = sorted(set(named) - set(_READERS) - {"tls", "token"})
    if unknown:
        known = sorted({*_READERS, *_TLS_FIELDS})
        raise ConfigurationError(
            f"there is no setting {unknown[0]!r}; there are {', '.join(known)}"
        )
    seeds = [seed for seed in parts.netloc.split(",") if seed]
    return checked_settings(seeds, **named)


def url_of(settings: Settings) -> str:
    """Write settings as the URL that ``settings_from_url`` reads.

    Of a near cache it holds the bound alone, not what is held without a grant; of a token
    the name of its file, and no token.
    """
    named = settings.keywords()
    if settings.near is not None:
        named["near"] = settings.near.max_bytes
    named.pop("token", None)
    if named.get("token_file") is None:
        named.pop("token_file", None)
    tls = named.pop("tls", None)
    if tls is not None:
        fields = {name: getattr(tls, field) for name, field in _TLS_FIELDS.items()}
        named |= {name: value for name, value in fields.items() if value is not None}
    query = urlencode(named)
    scheme = SCHEME if tls is None else TLS_SCHEME
    return f"{scheme}://{','.join(settings.seeds)}?{query}"


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
