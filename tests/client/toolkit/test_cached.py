"""Decorated functions, of both twins."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import shoal
import shoal.asyncio


class Shop:
    """An origin with a method that is cached, made for one cache."""

    def __init__(self) -> None:
        self.prices = {1: 100, 2: 200}
        self.calls: list[int] = []

    def read(self, id: int) -> Any:  # noqa: A002
        self.calls.append(id)
        return self.prices.get(id, shoal.ABSENT)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def price(client, shop: Shop) -> Any:
    """A decorated function; that of asyncio is run to its end."""
    if isinstance(client, shoal.Client):

        @client.cache().cached(key="price:{id}", ttl="1m", absent_ttl="5s")
        def price(id: int) -> Any:  # noqa: A002
            """What a product costs."""
            return shop.read(id)

        return price

    @client.client.cache().cached(key="price:{id}", ttl="1m", absent_ttl="5s")
    async def aprice(id: int) -> Any:  # noqa: A002
        """What a product costs."""
        return shop.read(id)

    return Face(aprice, client._loop)


class Face:
    def __init__(self, function: Any, loop: Any) -> None:
        self.function, self.loop = function, loop

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.loop.run(self.function(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.function, name)
        return Face(found, self.loop) if callable(found) else found


def test_a_result_is_cached_by_its_arguments(price, shop, client) -> None:
    assert [price(1), price(2), price(id=1), price(1)] == [100, 200, 100, 100]
    assert shop.calls == [1, 2]
    assert client.get("price:1") is not shoal.MISSING
    assert price(3) is shoal.ABSENT
    assert price(3) is shoal.ABSENT
    assert shop.calls == [1, 2, 3]


def test_invalidate_forgets_one_result(price, shop) -> None:
    price(1)
    shop.prices[1] = 111
    assert price(1) == 100
    assert price.invalidate(1) is True
    assert price(1) == 111
    assert price.invalidate(7) is False


def test_refresh_loads_and_stores(price, shop) -> None:
    price(1)
    shop.prices[1] = 111
    assert price.refresh(id=1) == 111
    assert price(1) == 111
    assert shop.calls == [1, 1]


def test_original_is_the_function_itself(price, shop, cluster) -> None:
    assert price.original(1) == 100
    assert cluster.entries == {}
    decorated = getattr(price, "function", price)
    assert decorated.__doc__ == "What a product costs."
    assert decorated.__name__.endswith("price")
    assert inspect.signature(decorated) == inspect.signature(decorated.original)


def test_a_wrong_call_fails_as_the_function_would(price) -> None:
    with pytest.raises(TypeError):
        price()
    with pytest.raises(shoal.InvalidRequest, match="spelling"):
        price(1.5)


def test_methods_are_bound(cluster) -> None:
    with shoal.Client.from_url(cluster.url, timeout="10s") as client:
        cache = client.cache()

        class Cached(Shop):
            @cache.cached(key="price:{id}", ttl="1m")
            def price(self, id: int) -> Any:  # noqa: A002
                return self.read(id)

        shop = Cached()
        assert [shop.price(1), shop.price(1)] == [100, 100]
        assert shop.calls == [1]
        assert shop.price.original(1) == 100
        assert shop.price.refresh(1) == 100
        assert shop.price.invalidate(1) is True


async def test_async_methods_are_bound(cluster) -> None:
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        cache = client.cache()

        class Cached(Shop):
            @cache.cached(key="price:{id}", ttl="1m")
            async def price(self, id: int) -> Any:  # noqa: A002
                return self.read(id)

        shop = Cached()
        assert [await shop.price(1), await shop.price(1)] == [100, 100]
        assert shop.calls == [1]
        assert await shop.price.invalidate(1) is True
        assert inspect.iscoroutinefunction(Cached.price.__call__)


async def test_each_twin_decorates_its_own_kind() -> None:
    async def awaited() -> None: ...

    def called() -> None: ...

    with (
        shoal.Client(["127.0.0.1:1"]) as client,
        pytest.raises(shoal.ClientMisuse, match="asyncio"),
    ):
        client.cache().cached(key="k", ttl=1)(awaited)
    async with shoal.asyncio.Client(["127.0.0.1:1"]) as aclient:
        with pytest.raises(shoal.ClientMisuse, match="no async def"):
            aclient.cache().cached(key="k", ttl=1)(called)


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        ({"key": "price:{ident}", "ttl": 60}, shoal.ConfigurationError),
        ({"key": "price:{id}", "ttl": 60, "tags": ["{ident}"]}, shoal.ConfigurationError),
        ({"key": "price:{id}", "ttl": 0}, shoal.InvalidRequest),
        ({"key": "price:{id}", "ttl": 60, "fresh": 61}, shoal.InvalidRequest),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(recipe, error) -> None:
    with shoal.Client(["127.0.0.1:1"]) as client, pytest.raises(error):

        @client.cache().cached(**recipe)
        def price(id: int) -> None:  # noqa: A002
            """Never decorated."""
