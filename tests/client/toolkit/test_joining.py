"""Who may share a load: nobody who came after what it stored was removed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shoal.testing import Cluster


class Held:
    """A driver that keeps what a thread was answered from it, once it was armed there."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._armed_for: int | None = None
        self.applied, self.go_on = threading.Event(), threading.Event()

    def arm(self) -> None:
        self._armed_for = threading.get_ident()

    def run(self, operation: Any) -> Any:
        is_held = threading.get_ident() == self._armed_for
        answer = self._driver.run(operation)
        if is_held:
            self._armed_for = None
            self.applied.set()
            assert self.go_on.wait(20)
        return answer


def test_who_comes_after_a_delete_is_not_given_what_it_removed() -> None:
    cluster = Cluster()
    with cluster.client() as client, cluster.client() as other:
        cache = client.cache()
        held = Held(cache._runner._driver)
        cache._runner._driver = held  # type: ignore[assignment]

        def load_old() -> str:
            # What comes next in this thread is the store.
            held.arm()
            return "old"

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(cache.get_or_load, "k", load_old, ttl="1m")
            assert held.applied.wait(20)
            other.delete("k")
            second = pool.submit(cache.get_or_load, "k", lambda: "new", ttl="1m")
            try:
                assert second.result(20) == "new"
            finally:
                held.go_on.set()
            assert first.result(20) == "old"
