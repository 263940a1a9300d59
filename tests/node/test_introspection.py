"""A snapshot as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from shoal_node.introspection import as_json
from shoal_node.snapshot import Biggest, BigKey, SlowLog, Snapshot

SNAPSHOT = Snapshot(
    maxmemory_bytes=1,
    open_partitions=0,
    lease_remaining_ms=0,
    eviction="lru",
    slow=SlowLog(5),
    operations={("get", "hit"): 4, ("get", "miss"): 3},
    biggest=Biggest(7, (BigKey(b"k", 1, 9), BigKey(b"\xff\x00", 2, 8))),
)


def test_everything_is_told_under_its_own_name() -> None:
    told = json.loads(as_json(SNAPSHOT))
    assert told["operations"] == {"get": {"hit": 4, "miss": 3}}
    assert told["slow"] == {"threshold_ns": 5, "total": 0, "requests": []}
    assert told["eviction"] == "lru"


def test_a_key_that_is_no_text_stands_in_base64() -> None:
    told = json.loads(as_json(SNAPSHOT))["biggest"]
    assert told == {
        "complete_above_bytes": 7,
        "keys": [
            {"key": "k", "partition": 1, "bytes": 9},
            {"key_base64": "/wA=", "partition": 2, "bytes": 8},
        ],
    }


def test_no_field_is_forgotten() -> None:
    told = json.loads(as_json(replace(SNAPSHOT, hits=3)))
    assert told.keys() == set(Snapshot.__dataclass_fields__)
    assert told["hits"] == 3
