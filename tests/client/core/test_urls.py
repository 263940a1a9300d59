from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import Ack, ConfigurationError, ReadMode, Tls
from shoal._core.settings import Settings, checked_settings
from shoal._core.urls import settings_from_url, url_of


def test_reads_seeds_and_settings():
    settings = settings_from_url("shoal://a:1,b.example:2,[::1]:3?timeout=250ms&max_attempts=3", {})
    assert settings.seeds == ("a:1", "b.example:2", "[::1]:3")
    assert settings.timeout_ms == 250
    assert settings.max_attempts == 3


def test_the_defaults_are_finite():
    settings = settings_from_url("shoal://a:1", {})
    assert settings == checked_settings(["a:1"])
    assert settings.timeout_ms == 1000


def test_overrides_win():
    settings = settings_from_url("shoal://a:1?timeout=1s", {"timeout": 2.5})
    assert settings.timeout_ms == 2500


def test_a_seed_named_twice_is_one():
    assert settings_from_url("shoal://a:1,a:1,", {}).seeds == ("a:1",)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://a:1", "shoal://"),
        ("a:1", "shoal://"),
        ("shoal://", "at least one seed"),
        ("shoal://a", "HOST:PORT"),
        ("shoal://a:0", "HOST:PORT"),
        ("shoal://a:65536", "HOST:PORT"),
        ("shoal://a:http", "HOST:PORT"),
        ("shoal://me:secret@a:1", "password"),
        ("shoal://a:1/0", "end after the seeds"),
        ("shoal://a:1#x", "end after the seeds"),
        ("shoal://a:1?timout=1s", "timout.*max_attempts.*timeout"),
        ("shoal://a:1?timeout=soon", "timeout"),
        ("shoal://a:1?timeout=0s", "timeout"),
        ("shoal://a:1?timeout=1s&timeout=2s", "twice"),
        ("shoal://a:1?timeout", "name=value"),
        ("shoal://a:1?max_attempts=many", "whole number"),
        ("shoal://a:1?max_attempts=0", "max_attempts.*from 1"),
        ("shoal://a:1?retry_budget=-1", "retry_budget.*from 0"),
        ("shoal://a:1?max_message_bytes=10", "max_message_bytes"),
        ("shoal://[::1:3", "URL"),
        ("shoal://a:1?tls_ca=ca.pem", "shoals://"),
        ("shoals://a:1?tls_cert=c.pem", "go together"),
        ("shoals://a:1?tls_ca=", "must be a text"),
        ("shoals://a:1?tls_ca=a&tls_ca=b", "twice"),
        ("shoals://a:1?tls_mode=x", "tls_mode.*tls_ca"),
        ("shoal://a:1?read_from=near", "'nearest'"),
        ("shoal://a:1?read_from=nearest", "zone"),
    ],
)
def test_says_what_is_wrong(url, says):
    with pytest.raises(ConfigurationError, match=says):
        settings_from_url(url, {})


def test_a_password_is_not_repeated_in_the_error():
    with pytest.raises(ConfigurationError) as caught:
        settings_from_url("shoal://me:secret@a:1", {})
    assert "secret" not in str(caught.value)


def test_a_url_given_as_seeds_is_explained():
    with pytest.raises(ConfigurationError, match="from_url"):
        checked_settings("shoal://a:1")


@given(
    st.lists(
        st.builds(
            "{}:{}".format,
            st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
            st.integers(1, 65535),
        ),
        min_size=1,
        max_size=5,
        unique=True,
    ),
    st.integers(1, 10**9),
    st.integers(1, 100),
    st.integers(0, 10**6),
    st.integers(2 * 1024 * 1024, 2**31),
)
def test_round_trip(seeds, timeout_ms, max_attempts, retry_budget, max_message_bytes):
    settings = Settings(tuple(seeds), timeout_ms, max_attempts, retry_budget, max_message_bytes)
    assert settings_from_url(url_of(settings), {}) == settings


def test_an_ack_for_all_writes():
    assert settings_from_url("shoal://a:1?ack=in_sync", {}).ack is Ack.IN_SYNC
    assert settings_from_url("shoal://a:1", {}).ack is None
    with pytest.raises(ConfigurationError, match="'primary' or 'in_sync'"):
        settings_from_url("shoal://a:1?ack=all", {})
    settings = settings_from_url("shoal://a:1?ack=primary", {})
    assert settings_from_url(url_of(settings), {}) == settings


def test_where_a_client_is_and_reads_from():
    settings = settings_from_url("shoal://a:1?zone=z-a&read_from=nearest", {})
    assert (settings.zone, settings.read_from) == ("z-a", ReadMode.NEAREST)
    assert settings_from_url(url_of(settings), {}) == settings
    assert settings_from_url("shoal://a:1?read_from=primary", {}).read_from is None


def test_tls_is_the_scheme_and_names_files():
    assert settings_from_url("shoals://a:1", {}).tls == Tls()
    url = "shoals://a:1?tls_ca=/a&tls_cert=/b&tls_key=/c&tls_server_name=node"
    settings = settings_from_url(url, {})
    assert settings.tls == Tls(Path("/a"), "/b", "/c", "node")
    assert settings_from_url(url_of(settings), {}) == settings
    assert settings_from_url("shoal://a:1", {"tls": Tls("/a")}).tls == Tls("/a")
    with pytest.raises(ConfigurationError, match=r"shoal\.Tls"):
        settings_from_url("shoal://a:1", {"tls": True})
