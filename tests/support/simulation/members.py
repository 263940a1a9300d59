"""Operators in the simulation: they change members by the real commands, whenever they like."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from shoal_coordinator import membership
from shoal_coordinator.membership import Decided, Refused
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.port import ModifiedAt, Put
from shoal_coordinator.registry.records import Member, MemberState, NodeId
from shoal_coordinator.registry.view import ClusterView
from simulation.etcd import SimulatedEtcd
from simulation.plain import PlainRecords
from watched_etcd import KEYS

_WEIGHTS = (0, 50, 300, None)


class Members:
    """``done`` counts what was done by command, refusals as ``refused``."""

    def __init__(self, etcd: SimulatedEtcd, records: PlainRecords, rng: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._etcd = etcd
        self._records = records
        self._rng = rng

    def change(self, node: NodeId) -> None:
        """One command, decided by what stands, and written at once."""
        commands: dict[str, Callable[[ClusterView, NodeId], Decided]] = {
            "add": membership.add,
            "drain": membership.drain,
            "keep": membership.keep,
            "remove": self._remove,
            "weigh": self._weigh,
        }
        name = self._rng.choices([*commands], (2, 3, 2, 3, 2))[0]
        reading = self._etcd.read(KEYS.prefix)
        decided = commands[name](view_of(KEYS, reading).view, node)
        if isinstance(decided, Refused):
            self.done["refused"] += 1
            return
        self.done[name] += 1
        self._write(decided.member)

    def drain(self, node: NodeId) -> None:
        """Which must not be refused."""
        decided = membership.drain(view_of(KEYS, self._etcd.read(KEYS.prefix)).view, node)
        assert not isinstance(decided, Refused), decided
        self._write(decided.member)

    def restore(self) -> None:
        """Everybody takes the usual share again."""
        view = view_of(KEYS, self._etcd.read(KEYS.prefix)).view
        for member in view.members.values():
            usual = replace(member, state=MemberState.ACTIVE, weight=100, weight_is_set=False)
            if usual != member:
                self._write(usual)

    def _weigh(self, view: ClusterView, node: NodeId) -> Decided:
        return membership.weigh(view, node, self._rng.choice(_WEIGHTS))

    def _remove(self, view: ClusterView, node: NodeId) -> Decided:
        """Of one that is up: whoever removes one that is down gives up what it may come back
        with."""
        if node not in view.nodes:
            return membership.keep(view, node)
        return membership.remove(view, node, force=False)

    def _write(self, member: Member) -> None:
        key = KEYS.member(member.id)
        (item,) = (it for it in self._etcd.read(key).items if it.key == key)
        guard = ModifiedAt(key, item.mod_revision)
        self._etcd.commit_by(None, [guard], [Put(key, self._records.encode(member))])
