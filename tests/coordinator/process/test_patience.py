"""An etcd that is slow to be reached is waited for, and one that is not there is not for long."""

from __future__ import annotations

import pytest

from shoal_coordinator.process.patience import patiently
from shoal_coordinator.registry.port import StoreRefused, StoreUnavailable


async def test_it_is_asked_until_it_answers() -> None:
    answers = iter([StoreUnavailable("not yet"), StoreUnavailable("not yet"), 7])

    async def ask() -> int:
        answer = next(answers)
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    assert await patiently(ask, 60) == 7


async def test_patience_has_an_end() -> None:
    async def ask() -> int:
        raise StoreUnavailable("never")

    with pytest.raises(StoreUnavailable, match="never"):
        await patiently(ask, 0)


async def test_another_failure_is_none_of_its_business() -> None:
    async def ask() -> int:
        raise StoreRefused("never")

    with pytest.raises(StoreRefused, match="never"):
        await patiently(ask, 60)
