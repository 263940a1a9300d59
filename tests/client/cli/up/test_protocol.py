"""What launcher and supervisor say arrives as it was said."""

from __future__ import annotations

import pytest

from shoal.cli.up.plan import ProcessSpec, StopRank
from shoal.cli.up.protocol import (
    Event,
    Exited,
    Lines,
    NotStarted,
    Opened,
    Refused,
    Started,
    decode_event,
    decode_start,
    encode_event,
    encode_start,
)


@pytest.mark.parametrize(
    "event",
    [
        Opened("/data"),
        Refused("in use\nreally"),
        Started("node-1", 7),
        NotStarted("etcd", "no such file"),
        Exited("node-1", 7, -9),
    ],
)
def test_events(event: Event) -> None:
    line = encode_event(event)
    assert line.count(b"\n") == 1
    assert decode_event(line) == event


def test_start() -> None:
    spec = ProcessSpec("node-1", StopRank.NODE, ("node", "--zone", "a b"))
    assert decode_start(encode_start(spec)) == spec


def test_lines_come_whole_however_they_arrive() -> None:
    lines = Lines()
    assert lines.feed(b"on") == []
    assert lines.feed(b"e\ntwo\nth") == [b"one", b"two"]
    assert lines.feed(b"ree\n") == [b"three"]
