"""What ``--etcd URL[,URL]`` means."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORT = 2379


class BadEtcdUrl(ValueError):
    """An ``--etcd`` that names no endpoint."""


def endpoint_targets(urls: str) -> tuple[str, ...]:
    """gRPC targets of ``http://HOST:PORT,...`` or ``https://``, each once, in the order given.

    Names stay names: they are resolved whenever a connection is made.
    """
    return tuple(dict.fromkeys(target for _, target in _endpoints(urls)))


def asks_for_tls(urls: str) -> bool:
    """Whether the URLs are https. Raises BadEtcdUrl."""
    return _endpoints(urls)[0][0] == "https"


def _endpoints(urls: str) -> list[tuple[str, str]]:
    """Scheme and target of each."""
    endpoints = [_endpoint(url.strip()) for url in urls.split(",") if url.strip()]
    if not endpoints:
        raise BadEtcdUrl("no etcd URL is given: write --etcd http://HOST:2379[,http://HOST:2379]")
    if len({scheme for scheme, _ in endpoints}) > 1:
        raise BadEtcdUrl("--etcd mixes http:// and https://: take one of them for all members")
    return endpoints


def _endpoint(url: str) -> tuple[str, str]:
    # A password must not get into a log.
    shown = repr(url) if "@" not in url else "what names a user"
    wrong = BadEtcdUrl(f"{shown} is not an etcd URL: write http://HOST:2379")
    if "://" not in url:
        raise wrong
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise wrong from error
    is_plain = not (parts.path.strip("/") or parts.query or parts.username)
    if parts.scheme not in {"http", "https"} or not host or not is_plain:
        raise wrong
    return parts.scheme, f"dns:///[{host}]:{port}" if ":" in host else f"dns:///{host}:{port}"
