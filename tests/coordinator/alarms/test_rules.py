"""Alarms: which are raised by what, and what they say to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_views import CONFIG, live, member, record, view
from shoal_coordinator.alarms.alarm import Alarm, Level, Thresholds
from shoal_coordinator.alarms.balance import worst
from shoal_coordinator.alarms.rules import OldestMove, Seen, alarms
from shoal_coordinator.registry.records import Incarnation, NodeId
from shoal_coordinator.survey.figures import NodeFigures, Survey

MIB = 1 << 20
WELL = view(
    nodes=(live("a"), live("b")),
    members=(member("a"), member("b")),
    records=(
        record(0, "a", in_sync="b", preference="a b"),
        record(1, "b", in_sync="a", preference="b a"),
    ),
    config=replace(CONFIG, replica_count=1, partition_count=2),
)


def figures(node: str, **told: object) -> NodeFigures:
    usual = NodeFigures(
        Incarnation(f"{node}-run1"),
        memory_bytes=100 * MIB,
        value_bytes=90 * MIB,
        partition_memory_bytes={0 if node == "a" else 1: 10 * MIB},
        partition_reads={0 if node == "a" else 1: 0},
    )
    return replace(usual, **told)  # type: ignore[arg-type]


def survey(at: float, *silent: str, **nodes: NodeFigures) -> Survey:
    return Survey(
        at, {NodeId(it): told for it, told in nodes.items()}, frozenset(map(NodeId, silent))
    )


FIRST = survey(0, a=figures("a"), b=figures("b"))


def seen(**of_a: object) -> Seen:
    """All is well but for what a tells, ten seconds after the first look."""
    return Seen(WELL, None, FIRST, survey(10, a=figures("a", **of_a), b=figures("b")))


def raised(of: Seen) -> dict[str, Level]:
    return {it.name: it.level for it in alarms(of) if it.level is not Level.OK}


def named(of: Seen, name: str) -> Alarm:
    return next(it for it in alarms(of) if it.name == name)


def test_where_all_is_well_nothing_is_raised_and_nothing_advised() -> None:
    told = alarms(seen())
    assert {it.level for it in told} == {Level.OK}
    assert all(it.says and not it.advice for it in told)
    assert len({it.name for it in told}) == len(told)


def test_before_nodes_were_asked_what_they_tell_is_unknown() -> None:
    told = raised(Seen(WELL))
    assert set(told.values()) == {Level.UNKNOWN}
    assert {"silent_nodes", "lease_age_seconds", "node_memory_imbalance"} <= told.keys()
    once = raised(Seen(WELL, None, None, FIRST))
    assert set(once) == {"node_operations_imbalance", "partition_reads_imbalance"}


def test_who_is_down_raises_what_follows_from_it() -> None:
    down = replace(WELL, nodes={NodeId("b"): live("b")})
    after = survey(10, b=figures("b"))
    told = raised(Seen(down, None, FIRST, after))
    assert told == {
        "unserved_partitions": Level.CRITICAL,
        "under_replicated_partitions": Level.WARNING,
        "members_down": Level.WARNING,
    }
    assert named(Seen(down), "members_down").says == "a should take a share and is down"
    assert "shoal node remove" in named(Seen(down), "members_down").advice


@pytest.mark.parametrize(
    ("name", "of_a", "level"),
    [
        ("lease_age_seconds", {"lease_age_seconds": 2.5}, Level.WARNING),
        ("lease_age_seconds", {"lease_age_seconds": 3.0}, Level.CRITICAL),
        ("replica_lag_seconds", {"replica_lag_seconds": 0.7}, Level.WARNING),
        ("replica_lag_seconds", {"replica_lag_seconds": 7.0}, Level.CRITICAL),
        ("node_memory_imbalance", {"memory_bytes": 400 * MIB}, Level.WARNING),
        ("node_bytes_imbalance", {"value_bytes": 400 * MIB}, Level.WARNING),
        ("node_operations_imbalance", {"operations": 10_000}, Level.WARNING),
    ],
)
def test_what_a_node_tells_raises_its_alarm(
    name: str, of_a: dict[str, object], level: Level
) -> None:
    assert raised(seen(**of_a)) == {name: level}
    alarm = named(seen(**of_a), name)
    assert alarm.advice
    assert alarm.thresholds.warning_from is not None
    assert alarm.value is not None
    assert alarm.value >= alarm.thresholds.warning_from


def test_a_node_that_does_not_tell_is_named() -> None:
    told = Seen(WELL, None, FIRST, survey(10, "a", b=figures("b")))
    assert raised(told)["silent_nodes"] is Level.WARNING
    assert named(told, "silent_nodes").says == "a does not tell its metrics"


def test_little_altogether_is_no_matter() -> None:
    first = survey(0, a=figures("a", memory_bytes=0), b=figures("b", memory_bytes=MIB))
    alarm = named(Seen(WELL, None, first, first), "node_memory_imbalance")
    assert (alarm.level, alarm.value) == (Level.OK, 2.0)
    assert alarm.says.endswith("of little altogether")


def test_a_share_is_what_the_weight_says() -> None:
    heavy = replace(WELL, members={**WELL.members, NodeId("a"): member("a", weight=400)})
    after = survey(10, a=figures("a", memory_bytes=400 * MIB), b=figures("b"))
    assert named(Seen(heavy, None, FIRST, after), "node_memory_imbalance").value == 1.0


def test_one_busy_partition_among_many_is_found() -> None:
    usual = dict.fromkeys(range(2, 40), 100.0 * MIB)
    many = {**usual, 0: 90_000.0 * MIB}
    told = seen(partition_memory_bytes=many, partition_reads={0: 100_000, **usual})
    first = survey(0, a=figures("a", partition_reads=dict.fromkeys(many, 0)), b=figures("b"))
    told = replace(told, before=first)
    alarm = named(told, "partition_memory_imbalance")
    assert alarm.level is Level.CRITICAL
    assert alarm.says.startswith("partition 0 has ")
    assert "shoal bigkeys" in alarm.advice


@pytest.mark.parametrize(
    ("seconds", "level"), [(10, None), (300, Level.WARNING), (1800, Level.CRITICAL)]
)
def test_a_move_that_does_not_end_is_told(seconds: float, level: Level | None) -> None:
    told = replace(seen(), oldest_move=OldestMove(3, ("b",), seconds))
    assert raised(told).get("stuck_moves") is level
    assert "partition 3" in named(told, "stuck_moves").says


@given(
    values=st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1e9), min_size=1),
    weights=st.lists(st.integers(1, 1000), min_size=5, max_size=5),
)
def test_the_worst_is_at_least_what_is_fair(values: dict[str, float], weights: list[int]) -> None:
    shares = {name: float(weights["abcde".index(name)]) for name in values}
    found = worst(values, shares)
    assert found is not None
    assert found.ratio >= 1 - 1e-9
    assert found.name in values
    fair = worst(shares, shares)
    assert fair is not None
    assert fair.ratio == pytest.approx(1)


@given(value=st.floats(0, 100), warning=st.floats(0, 50), more=st.floats(0, 50))
def test_a_level_rises_with_the_value(value: float, warning: float, more: float) -> None:
    thresholds = Thresholds(warning, warning + more)
    assert thresholds.level(value) <= thresholds.level(value + 1)
    assert (thresholds.level(value) is Level.OK) == (value < warning)
    assert Thresholds().level(value) is Level.OK
