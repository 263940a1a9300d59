"""A turn looks at what may need it: its decision is that of one that looks at everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest

from shoal_coordinator.registry.records import PartitionId
from shoal_coordinator.registry.view import ClusterView
from shoal_node import agent
from shoal_node.actions import Action
from shoal_node.decide import decide, is_ready
from shoal_node.local import Local
from shoal_node.policy import Policy
from shoal_node.shortfall import Shortfall
from simulation.cluster import simulate
from simulation.harms import ETCD_HARMS
from simulation.seeds import quiet

SEEDS = 20


def test_every_turn_decides_as_if_it_looked_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: Counter[str] = Counter()

    def decided(
        view: ClusterView,
        local: Local,
        now_ms: int,
        policy: Policy,
        only: Collection[PartitionId] | None,
    ) -> tuple[Action, ...]:
        actions = decide(view, local, now_ms, policy, only)
        turns["everything" if only is None else f"{len(only)} partitions"] += 1
        if only is not None:
            whole = decide(view, local, now_ms, policy)
            assert actions == whole, f"{actions} of {sorted(only)}, and of everything {whole}"
        return actions

    def ready(
        view: ClusterView, local: Local, *, lease_stands: bool, only: Collection[PartitionId]
    ) -> bool:
        told = is_ready(view, local, lease_stands=lease_stands, only=only)
        assert told == is_ready(view, local, lease_stands=lease_stands)
        return told

    class Counted(Shortfall):
        def after(
            self, view: ClusterView, local: Local, looked_at: Collection[PartitionId] | None
        ) -> int:
            told = super().after(view, local, looked_at)
            of_all = Shortfall(self.copies_wanted).after(view, local, None)
            assert told == of_all, f"{told} partitions are short of copies, and of all {of_all}"
            turns["short"] += told > 0
            return told

    monkeypatch.setattr(agent, "decide", decided)
    monkeypatch.setattr(agent, "Shortfall", Counted)
    monkeypatch.setattr(agent, "is_ready", ready)
    with quiet():
        for seed in range(SEEDS):
            for harms in (None, ETCD_HARMS):
                broken = simulate(seed, harms=harms).broken
                assert not broken, f"seed {seed}: {broken}"
    assert turns["0 partitions"] > SEEDS * 10, f"void: {turns}"
    assert turns["1 partitions"] > SEEDS * 10, f"void: {turns}"
    assert turns["short"] > SEEDS * 10, f"void: {turns}"
