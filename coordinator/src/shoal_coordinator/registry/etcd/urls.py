"""What ``--etcd URL[,URL]`` means."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORT = 2379


class BadEtcdUrl(ValueError):
    """An ``--etcd`` that names no endpoint."""


def endpoint_targets(urls: str) -> tuple[str, ...]:
    """gRPC targets of ``http://HOST:PORT,...``, each once, in the order given.

    Names stay names: they are resolved whenever a connection is made.
    """
    targets = [_target(url.strip()) for url in urls.split(",") if url.strip()]
    if not targets:
        raise BadEtcdUrl("no etcd URL is given: write --etcd http://HOST:2379[,http://HOST:2379]")
    return tuple(dict.fromkeys(targets))


def _target(url: str) -> str:
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
    if parts.scheme == "https":
        raise BadEtcdUrl(
            f"{url!r} asks for TLS, which the registry does not speak yet: use http://"
        )
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise wrong
    return f"dns:///[{host}]:{port}" if ":" in host else f"dns:///{host}:{port}"
