"""The libraries by name: what each is asked to do, and where its code stands."""

from __future__ import annotations

from importlib import import_module

from bench.clients.libraries.library import Asynchronous, Blocking, Library

SHOAL, REDIS, GLIDE, PYMEMCACHE = "shoal", "redis-py", "valkey-glide", "pymemcache"

_MODULES = {
    SHOAL: "of_shoal",
    REDIS: "of_redis",
    GLIDE: "of_glide",
    PYMEMCACHE: "of_pymemcache",
}
NAMES = tuple(_MODULES)


def library(name: str) -> Library:
    """Import one library alone, so that none pays for another."""
    module = import_module(f"bench.clients.libraries.{_MODULES[name]}")
    made: Library = module.LIBRARY
    return made


__all__ = [
    "GLIDE",
    "NAMES",
    "PYMEMCACHE",
    "REDIS",
    "SHOAL",
    "Asynchronous",
    "Blocking",
    "Library",
    "library",
]
