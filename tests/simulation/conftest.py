"""Simulations log nothing, and read the same record only once: they have thousands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache

import pytest
import structlog

from shoal_coordinator.registry import apply, codec

_READERS = {
    name: cache(getattr(codec, name))
    for name in ("decode_partition", "decode_registration", "decode_member", "decode_config")
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, reader in _READERS.items():
        monkeypatch.setattr(apply, name, reader)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
