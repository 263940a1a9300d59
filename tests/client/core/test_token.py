"""Tokens: given or in a file, and never shown."""

from __future__ import annotations

import pytest

import shoal
from shoal._core.settings import checked_settings
from shoal._core.urls import settings_from_url, url_of

SECRET = "s3cr3t-s3cr3t"


def test_a_token_is_told_to_nobody_by_accident():
    settings = checked_settings(["h:1"], token=SECRET)
    assert settings.token is not None
    assert settings.token.text == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in url_of(settings)
    assert checked_settings(settings.seeds, **settings.keywords()) == settings


def test_the_name_of_its_file_may_be_told():
    settings = settings_from_url("shoal://h:1?token_file=/run/token", {})
    assert settings.token is not None
    assert (settings.token.text, settings.token.file) == (None, "/run/token")
    assert settings_from_url(url_of(settings), {}) == settings
    assert settings_from_url(url_of(checked_settings(["h:1"])), {}).token is None


@pytest.mark.parametrize("text", ["", "two words", "line\n", "ä" + SECRET, 7])
def test_what_cannot_travel_is_refused_and_not_repeated(text):
    with pytest.raises(shoal.ConfigurationError) as refused:
        checked_settings(["h:1"], token=text)
    assert SECRET not in str(refused.value)


def test_two_tokens_and_a_token_in_a_url_are_refused():
    with pytest.raises(shoal.ConfigurationError, match="give one of them"):
        checked_settings(["h:1"], token=SECRET, token_file="f")
    with pytest.raises(shoal.ConfigurationError, match="does not belong into a URL") as refused:
        settings_from_url(f"shoal://h:1?token={SECRET}", {})
    assert SECRET not in str(refused.value)
    for name in ("", 7):
        with pytest.raises(shoal.ConfigurationError, match="name of a file"):
            checked_settings(["h:1"], token_file=name)
