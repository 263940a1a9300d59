"""The pure parts of the scenarios, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
from bench import catalogue
from bench.loader_process import Load
from bench.measured import Slice
from bench.scenarios import cross_check, expiry, growth, handoff, memory, replication, wire
from bench.servers.server import Counts, Server


def test_every_scenario_that_the_issue_has_a_figure_for_is_there() -> None:
    goals = {each.name: each.goal.bound for each in wire.WIRES if each.goal is not None}
    assert goals == {
        "get-50x1": 1.5,
        "get-4x32": 0.6,
        "set-4x32": 0.8,
        "execute-16": 1.0,
        "execute-16-lockstep": 1.0,
        "mget": 1.0,
    }
    others = {
        "memory",
        "cores",
        "expiry",
        "growth",
        "cross-check",
        "replication",
        "handoff",
        "join",
        "viral",
    }
    assert others <= set(catalogue.NAMES)


def test_scenarios_are_chosen_by_name() -> None:
    assert catalogue.selected("") == catalogue.NAMES
    assert catalogue.selected("mget, memory") == ("mget", "memory")
    sentence = catalogue.selected("mget,nothing")
    assert isinstance(sentence, str)
    assert "no scenario nothing" in sentence


def test_a_load_says_what_it_does() -> None:
    assert Load().text == "GET, 4 x 32"
    assert Load(operation="set", shape="batch", batch=16).text == "SET by 16, 4 x 32"
    assert Load(shape="many", batch=100, streams=4).text == "MGET of 100, 4 x 4"
    flags = Load(keys=7, is_fill=True).flags()
    assert flags[flags.index("--keys") + 1] == "7"
    assert "--fill" in flags


def test_memory_is_what_is_above_key_and_value() -> None:
    assert memory.above_payload(153 * 1000, 1000) == 40


def test_a_storm_splits_the_slices_at_its_moment() -> None:
    slices = [Slice(at, ()) for at in range(0, 3000, 100)]
    before, during = expiry.split(slices, expire_at_ms=1050)
    assert [each.starts_ms for each in before] == list(range(0, 1000, 100))
    assert [each.starts_ms for each in during] == list(range(1000, 2050, 100))


def test_growth_reads_the_longest_holds_of_each_phase() -> None:
    printed = (
        "5000 entries over 1 partitions\n"
        "insert: 5000 operations, 5000 holds of the lock, holes 0.1 % of 700 MiB\n"
        "  hold, us       mean 0.61  p50 0.5  p99.999 9.0  worst 812.5\n"
        "  longest holds: 17=812.5us/0 4000=90.0us/2\n"
        "  operation, us  mean 0.71  p50 0.6  p99.999 9.1  worst 813.5\n"
        "  most under one hold so far: 70 entries, 16384 bytes\n"
        "the same, all sizes: 2500 operations, 2600 holds of the lock, holes 4.0 % of 700 MiB\n"
        "  hold, us       mean 0.61  p50 0.5  p99.999 9.0  worst 90.0\n"
        "  longest holds: 3=90.0us/1\n"
        "  operation, us  mean 0.61  p50 0.5  p99.999 9.0  worst 190.0\n"
        "  most under one hold so far: 12 entries, 20000 bytes\n"
    )
    pauses = growth.parse(printed)
    assert pauses == growth.Pauses(
        phases={
            "insert": growth.Phase({17: 812.5, 4000: 90.0}, operation_us=813.5),
            "the same, all sizes": growth.Phase({3: 90.0}, operation_us=190.0),
        },
        entries_most=70,
        bytes_most=20_000,
    )
    assert pauses.phases["insert"].worst_us == 812.5
    with pytest.raises(ValueError, match="pauses"):
        growth.parse("nothing")


def test_only_what_comes_again_at_the_same_operation_is_the_engines() -> None:
    one = growth.Phase({1: 3000.0, 5: 90.0, 7: 40.0}, operation_us=3000.0)
    two = growth.Phase({5: 100.0, 8: 2000.0, 7: 50.0}, operation_us=2000.0)
    assert growth.again_us([one, two]) == 90.0
    # What a run does not name may have been as long as the shortest that it names.
    three = growth.Phase({1: 3000.0, 2: 2500.0}, operation_us=3000.0)
    assert growth.again_us([one, three]) == 3000.0
    assert growth.again_us([two, three]) == 2000.0
    assert growth.again_us([one, two, three]) == 90.0


def _plane(applied: Iterator[int]) -> Server:
    def counts() -> Counts:
        return Counts(0, 0, applied=next(applied))

    return Server("Shoal", "shoal", "", "127.0.0.1:1", 1, counts)


def test_a_follower_is_waited_for_until_it_has_applied_everything() -> None:
    waited_for = iter((5, 6, 7))
    replication.await_copies(_plane(repeat(7)), _plane(waited_for))
    assert not list(waited_for)


def test_a_handoff_lasts_from_the_decision_in_one_log_until_it_is_served_in_another() -> None:
    def line(second: str, sentence: str) -> str:
        return f'{{"event": "{sentence}", "timestamp": "2026-01-01T00:00:{second}Z"}}'

    lines = [
        line("01.000000", "hand partition 7 over to b at epoch 3: this node stops"),
        line("01.000000", "hand partition 8 over to b at epoch 2: this node stops"),
        line("02.500000", "hand partition 7 over to a at epoch 4: its record asks for it"),
        "not JSON at all",
        line("01.025000", "serve partition 7 at epoch 3, with its data"),
        line("02.600000", "serve partition 7 at epoch 4, with its data"),
        line("00.900000", "serve partition 8 at epoch 1, with its data"),
    ]
    assert handoff.freeze_to_served_ms(lines) == pytest.approx({(7, 3): 25, (7, 4): 100})


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [handoff.percentile(values, share) for share in (1, 20, 50, 90, 100)] == [1, 1, 3, 5, 5]
    assert handoff.spread(range(100), 4) == [0, 25, 50, 75]
    assert handoff.spread([3, 4], 8) == [3, 4]


def test_h2load_is_given_a_whole_request_and_asked_what_was_answered() -> None:
    body = cross_check.get_request(42)
    assert body == b"\0\0\0\0\x12\x0a\x10key:000000000042"
    assert cross_check.h2load_answered("status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx\n") == 100
    with pytest.raises(ValueError, match="status codes"):
        cross_check.h2load_answered("")
