from __future__ import annotations

from typing import Any

import pytest

from shoal.demo.flash_sale.settings import Mode, Settings, SettingsRefused


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ttl_ms": 50_000}, "hardly expire once"),
        ({"seconds": 12.0}, "longer --seconds or a shorter --ttl"),
        ({"products": 42}, "--products must be above 42"),
        ({"workers": 0}, "at least one worker"),
        ({"ttl_ms": 0}, "must be positive"),
        ({"think_ms": -1.0}, "not negative"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        Settings(mode=Mode.NAIVE, **change)


def test_the_defaults_let_the_viral_key_expire_more_often_than_it_is_changed() -> None:
    settings = Settings(mode=Mode.LEASED)
    assert settings.callers == 32
    assert settings.viral_price_change_seconds > 2 * settings.ttl_ms / 1_000
