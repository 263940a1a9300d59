"""Since when this node and etcd hear each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_node.contact import Contact

SILENCE_MS = 1_500


def after(*heard: tuple[int, int]) -> Contact:
    """Keepalives, each with when it was sent and when this node looked."""
    contact = Contact()
    for sent_ms, now_ms in heard:
        contact.heard([sent_ms], now_ms, SILENCE_MS)
    return contact


def test_keepalives_that_follow_each_other_are_one_contact() -> None:
    contact = after((10_000, 10_010), (11_000, 11_010), (12_000, 12_900), (12_000, 13_500))
    assert (contact.confirmed_ms, contact.since_ms) == (12_000, 10_010)


def test_a_break_ends_with_the_first_keepalive_after_it() -> None:
    contact = after((10_000, 10_010), (10_000, 15_000), (15_100, 15_103), (16_100, 16_103))
    assert contact.since_ms == 15_103


def test_a_break_that_nobody_looked_at_is_noticed_afterwards() -> None:
    """No turns are taken while there is no news."""
    assert after((10_000, 10_010), (15_000, 15_010)).since_ms == 15_010


def test_keepalives_between_two_turns_are_no_break() -> None:
    contact = after((10_000, 10_010))
    contact.heard([10_000, 11_000, 12_000, 13_000], 13_100, SILENCE_MS)
    assert (contact.confirmed_ms, contact.since_ms) == (13_000, 10_010)
    contact.heard([12_000, 13_000, 15_000, 16_000], 16_100, SILENCE_MS)
    assert contact.since_ms == 16_100


def test_a_registration_begins_it_anew() -> None:
    contact = after((10_000, 10_010))
    contact.began(10_500)
    contact.began(10_400)
    assert contact.since_ms == 10_500


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 3_000)), max_size=20))
def test_in_contact_means_that_no_two_are_far_apart(steps: list[tuple[int, int]]) -> None:
    contact, sent_ms, now_ms = Contact(), 0, 0
    heard: list[tuple[int, int]] = []
    for gap_ms, delay_ms in steps:
        sent_ms = max(sent_ms, now_ms - gap_ms)
        now_ms += delay_ms
        before = contact.since_ms
        contact.heard([sent_ms], now_ms, SILENCE_MS)
        heard.append((sent_ms, now_ms))
        assert before <= contact.since_ms <= now_ms
        times = [0, *(sent for sent, _ in heard)]
        if contact.since_ms == before and len(heard) > 1:
            assert times[-1] - times[-2] <= SILENCE_MS
            assert now_ms - sent_ms <= SILENCE_MS
