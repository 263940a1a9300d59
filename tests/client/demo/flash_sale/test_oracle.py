"""The oracle on histories whose verdict is known, and beside a dumb twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal.demo.flash_sale.catalog import PriceChange
from shoal.demo.flash_sale.oracle import MARGIN_MS, Oracle, Staleness
from shoal.demo.flash_sale.tally import Answers

MS = 1_000_000
TTL_MS = 1_000
WINDOW_NS = (TTL_MS + MARGIN_MS) * MS
END_NS = 10**18


def verdict_on(
    changes: list[PriceChange],
    answers: list[tuple[int, int, int]],
    *,
    load_ns: int = 0,
    latest: int = 99,
) -> Staleness:
    oracle = Oracle(longest_ttl_ms=TTL_MS)
    oracle.add(answers_of(answers))
    oracle.learn(changes)
    oracle.settle(END_NS)
    return oracle.verdict(longest_load_ns=load_ns, latest_version=lambda product_id: latest)


def answers_of(answers: list[tuple[int, int, int]]) -> Answers:
    collected = Answers()
    for answer in answers:
        collected.add(*answer)
    return collected


def test_the_newest_version_is_fresh() -> None:
    found = verdict_on([PriceChange(7, 2, 100, 110)], [(7, 2, 105), (7, 2, 500)])
    assert (found.judged, found.stale) == (2, 0)


def test_the_old_version_before_the_commit_is_fresh() -> None:
    assert verdict_on([PriceChange(7, 2, 100, 110)], [(7, 1, 99)]).stale == 0


def test_the_old_version_between_commit_and_delete_is_stale() -> None:
    found = verdict_on([PriceChange(7, 2, 100 * MS, 110 * MS)], [(7, 1, 105 * MS)])
    assert (found.stale, found.stale_after_delete) == (1, 0)
    assert found.worst_ms == 5.0
    assert found.beyond_window == 0


def test_an_answer_that_started_right_at_the_stamp_is_stale() -> None:
    assert verdict_on([PriceChange(7, 2, 100, 110)], [(7, 1, 100)]).stale == 1


def test_an_old_row_that_was_set_after_the_delete_is_told_apart() -> None:
    found = verdict_on([PriceChange(7, 2, 100, 110)], [(7, 1, 200)])
    assert (found.stale, found.stale_after_delete) == (1, 1)


def test_a_delete_that_failed_leaves_answers_stale_before_it() -> None:
    found = verdict_on([PriceChange(7, 2, 100, None)], [(7, 1, 200)])
    assert (found.stale, found.stale_after_delete) == (1, 0)


def test_a_resurrected_value_is_beyond_the_window() -> None:
    found = verdict_on(
        [PriceChange(7, 2, 100, 110)], [(7, 1, 100 + WINDOW_NS), (7, 1, 101 + WINDOW_NS)]
    )
    assert (found.stale, found.beyond_window) == (2, 1)


def test_a_slow_load_widens_the_window() -> None:
    history = [PriceChange(7, 2, 100, 110)]
    answer = (7, 1, 100 + WINDOW_NS + 5)
    assert verdict_on(history, [answer], load_ns=4).beyond_window == 1
    assert verdict_on(history, [answer], load_ns=5).beyond_window == 0


def test_staleness_counts_from_the_first_newer_version() -> None:
    history = [PriceChange(7, 2, 100 * MS, 101 * MS), PriceChange(7, 3, 900 * MS, 901 * MS)]
    assert verdict_on(history, [(7, 1, 950 * MS)]).worst_ms == 850.0
    assert verdict_on(history, [(7, 2, 950 * MS)]).worst_ms == 50.0


def test_another_products_change_does_not_matter() -> None:
    assert verdict_on([PriceChange(8, 2, 100, 110)], [(7, 1, 500)]).stale == 0


def test_a_version_that_the_database_never_had_is_invented() -> None:
    found = verdict_on([PriceChange(7, 2, 100, 110)], [(7, 3, 500), (7, 2, 500)], latest=2)
    assert (found.stale, found.invented) == (0, 1)


def test_an_answer_is_judged_only_when_the_history_is_complete_for_it() -> None:
    oracle = Oracle(longest_ttl_ms=TTL_MS)
    oracle.add(answers_of([(7, 1, 50), (7, 1, 500)]))
    oracle.settle(100)
    assert oracle.stale == 0
    # The commit happened at 400, but becomes known only now: the answer must have waited.
    oracle.learn([PriceChange(7, 2, 400, 410)])
    oracle.settle(450)
    assert oracle.stale == 0
    oracle.settle(500)
    assert oracle.stale == 1


def test_answers_beyond_the_bound_are_counted_not_forgotten() -> None:
    oracle = Oracle(longest_ttl_ms=TTL_MS, pending_max=2)
    oracle.add(answers_of([(7, 1, 1), (7, 1, 2)]))
    oracle.add(answers_of([(7, 1, 3)]))
    oracle.settle(END_NS)
    found = oracle.verdict(longest_load_ns=0, latest_version=lambda product_id: 1)
    assert (found.judged, found.unjudged) == (2, 1)


def test_answers_that_were_never_settled_are_unjudged() -> None:
    oracle = Oracle(longest_ttl_ms=TTL_MS)
    oracle.add(answers_of([(7, 1, 1_000)]))
    oracle.settle(999)
    found = oracle.verdict(longest_load_ns=0, latest_version=lambda product_id: 1)
    assert (found.judged, found.unjudged) == (0, 1)


GAPS = st.lists(st.tuples(st.integers(1, 2), st.integers(1, 50)), max_size=12)
ANSWERS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(0, 700)), max_size=30
)


@given(GAPS, ANSWERS, st.integers(0, 700))
def test_it_agrees_with_a_search_through_everything(
    gaps: list[tuple[int, int]], answers: list[tuple[int, int, int]], settled_first: int
) -> None:
    changes, versions, now = [], {1: 1, 2: 1}, 0
    for product_id, gap in gaps:
        now += gap
        versions[product_id] += 1
        changes.append(PriceChange(product_id, versions[product_id], now, now))
    oracle = Oracle(longest_ttl_ms=TTL_MS)
    oracle.add(answers_of(answers))
    oracle.learn(change for change in changes if change.committed_ns <= settled_first)
    oracle.settle(settled_first)
    oracle.learn(change for change in changes if change.committed_ns > settled_first)
    oracle.settle(END_NS)
    expected = sum(
        any(
            change.product_id == product_id
            and change.version > version
            and change.committed_ns <= started_ns
            for change in changes
        )
        for product_id, version, started_ns in answers
    )
    assert oracle.stale == expected
