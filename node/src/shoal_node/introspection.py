"""A snapshot as JSON, for people and tools: with keys, so for this machine alone.

Bytes are strings where they are UTF-8, else in base64 under ``<name>_base64``, as the
command line prints them.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

from shoal_node.snapshot import Snapshot


def as_json(snapshot: Snapshot) -> bytes:
    """The whole snapshot, one object."""
    fields = {
        field.name: _plain(getattr(snapshot, field.name))
        for field in dataclasses.fields(snapshot)
        if field.name != "operations"
    }
    operations: dict[str, dict[str, int]] = {}
    for (operation, outcome), count in snapshot.operations.items():
        operations.setdefault(operation, {})[outcome] = count
    return json.dumps({**fields, "operations": operations}).encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        plain: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            plain |= _named(field.name, getattr(value, field.name))
        return plain
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _named(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, bytes):
        return {name: _plain(value)}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}
