"""Faults. Each is one function that harms, waits, heals, and says whether it bit.

``strike`` returns when the fault is over and taken back; the caller waits for the cluster
to settle. A fault that did not bite makes the run void: it has shown nothing.
"""

from __future__ import annotations

import random
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tools.soak.chronicle import InSyncChanged, NodeGone, Promoted
from tools.soak.cluster import Cluster, Program

_PATIENCE_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What a nemesis works on. ``copies``: how many in sync make a settled partition."""

    cluster: Cluster
    rng: random.Random
    copies: int

    @property
    def ttl_seconds(self) -> float:
        return float(self.cluster.shape.lease_ttl_seconds)

    def node(self) -> str:
        """A node that is the primary of something."""
        named = [name for name in self.cluster.nodes if self.cluster.primaries(name)]
        return self.rng.choice(named)

    def settle(self) -> None:
        self.cluster.wait_until_served(self.copies, within_seconds=90.0)


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault did. ``evidence`` is what shows that it bit; empty: it did not."""

    name: str
    did: str
    evidence: str
    promotion_due: bool
    promotions: int
    began_ns: int
    ended_ns: int

    @property
    def void(self) -> str:
        """Why it shows nothing; empty where it does."""
        if not self.evidence:
            return f"{self.name} did not bite: {self.did}"
        if self.promotion_due and not self.promotions:
            return f"{self.name}: no promotion, and one was due: {self.did}"
        return ""


class _Fault:
    """Collects what a fault did while it lasts."""

    def __init__(self, ground: Ground, name: str, *, promotion_due: bool) -> None:
        self.ground = ground
        self.cluster = ground.cluster
        self.name = name
        self.promotion_due = promotion_due
        self.began_ns = time.monotonic_ns()

    def promotions(self) -> list[Promoted]:
        return self.cluster.chronicle.promotions(self.began_ns)

    def wait_until_replaced(self, node: str) -> str:
        """Wait until the node's key is gone and others have its partitions; say so."""
        mine = self.cluster.primaries(node)

        def replaced() -> bool:
            told = {one.partition for one in self.promotions() if one.primary.node != node}
            return (
                set(mine) <= told and self.cluster.chronicle.gone(node, self.began_ns) is not None
            )

        _until(replaced, f"{self.name}: others to take over from {node}")
        gone = self.cluster.chronicle.gone(node, self.began_ns)
        assert gone is not None
        after_ms = (gone.at_ns - self.began_ns) / 1e6
        return f"{node} was gone after {after_ms:.0f} ms, {len(mine)} partitions promoted"

    def over(self, did: str, evidence: str) -> Struck:
        return Struck(
            self.name,
            did,
            evidence,
            self.promotion_due,
            len(self.promotions()),
            self.began_ns,
            time.monotonic_ns(),
        )


def _until(state: Callable[[], bool], what: str, within_seconds: float = _PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + within_seconds
    while not state():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_seconds:.0f} s: {what}")
        time.sleep(0.01)


def kill(ground: Ground) -> Struck:
    """SIGKILL of a node; started again once others have taken over."""
    fault = _Fault(ground, "kill", promotion_due=True)
    node = ground.node()
    ground.cluster.nodes[node].kill()
    evidence = fault.wait_until_replaced(node)
    time.sleep(ground.rng.uniform(0.0, 2.0))
    ground.cluster.nodes[node].start()
    return fault.over(f"killed {node}", evidence)


def kill_and_restart(ground: Ground) -> Struck:
    """SIGKILL of a node that is back, empty, before its lease has run out."""
    fault = _Fault(ground, "kill-and-restart", promotion_due=True)
    node = ground.node()
    ground.cluster.nodes[node].kill()
    ground.cluster.nodes[node].start()
    _until(
        lambda: ground.cluster.chronicle.gone(node, fault.began_ns) is not None,
        f"the old {node} to be known as gone",
    )
    ground.cluster.wait_until_served()
    promoted = fault.promotions()
    evidence = f"{len(promoted)} partitions got a new epoch" if promoted else ""
    return fault.over(f"killed {node} and started it at once", evidence)


def hand_over(ground: Ground) -> Struck:
    """SIGTERM of a node, which gives away what it has; started again when it has ended."""
    fault = _Fault(ground, "hand-over", promotion_due=True)
    node = ground.node()
    had = len(ground.cluster.primaries(node))
    code = _restarted(ground.cluster, ground.cluster.nodes[node])
    promoted = [one for one in fault.promotions() if one.primary.node != node]
    is_clean = code == 0 and len(promoted) >= had
    evidence = f"{len(promoted)} partitions were handed over" if is_clean else ""
    return fault.over(f"stopped {node}, which had {had} partitions and ended with {code}", evidence)


def pause(ground: Ground) -> Struck:
    """SIGSTOP for longer than the lease, then SIGCONT."""
    fault = _Fault(ground, "pause", promotion_due=True)
    node = ground.node()
    ground.cluster.nodes[node].pause()
    try:
        evidence = fault.wait_until_replaced(node)
        time.sleep(ground.rng.uniform(0.0, 2.0))
    finally:
        ground.cluster.nodes[node].resume()
    return fault.over(f"stopped {node} for longer than its lease", evidence)


def cut_from_etcd(ground: Ground) -> Struck:
    """A node that everybody reaches but etcd."""
    fault = _Fault(ground, "cut-from-etcd", promotion_due=True)
    node = ground.node()
    ground.cluster.cut_between(node, list(ground.cluster.etcd_members))
    return _healed_once_replaced(fault, node, f"cut {node} from etcd")


def isolate(ground: Ground) -> Struck:
    """A node that no other process reaches; clients do, or do not."""
    fault = _Fault(ground, "isolate", promotion_due=True)
    node = ground.node()
    with_clients = ground.rng.random() < 0.5
    ground.cluster.cut_between(node, ground.cluster.places(but=node, clients=with_clients))
    who = "everything" if with_clients else "everything but clients"
    return _healed_once_replaced(fault, node, f"cut {node} from {who}")


def deafen(ground: Ground) -> Struck:
    """One way: what others send to a node is lost; what it sends arrives."""
    fault = _Fault(ground, "deafen", promotion_due=True)
    node = ground.node()
    for other in ground.cluster.places(but=node, clients=False):
        ground.cluster.network.cut(other, node)
    return _healed_once_replaced(fault, node, f"lost what is sent to {node}")


def mute(ground: Ground) -> Struck:
    """One way: what a node sends to others is lost; what they send arrives."""
    fault = _Fault(ground, "mute", promotion_due=True)
    node = ground.node()
    for other in ground.cluster.places(but=node, clients=False):
        ground.cluster.network.cut(node, other)
    return _healed_once_replaced(fault, node, f"lost what {node} sends")


def _healed_once_replaced(fault: _Fault, node: str, did: str) -> Struck:
    try:
        evidence = fault.wait_until_replaced(node)
        time.sleep(fault.ground.rng.uniform(0.0, 2.0))
    finally:
        fault.cluster.network.heal()
    return fault.over(did, evidence)


def part(ground: Ground) -> Struck:
    """Two nodes that reach etcd and clients, but not each other."""
    fault = _Fault(ground, "part", promotion_due=False)
    one = ground.node()
    other = ground.rng.choice([name for name in ground.cluster.nodes if name != one])
    ground.cluster.cut_between(one, [other])

    def left_out() -> list[InSyncChanged]:
        return [
            happening
            for happening in ground.cluster.chronicle.since(fault.began_ns)
            if isinstance(happening, InSyncChanged) and len(happening.after) < len(happening.before)
        ]

    try:
        _until(lambda: bool(left_out()), f"{one} and {other} to leave each other out")
        time.sleep(ground.rng.uniform(0.0, 2.0))
        evidence = f"{len(left_out())} in-sync sets shrank"
    finally:
        ground.cluster.network.heal()
    return fault.over(f"cut {one} and {other} from each other", evidence)


def slow(ground: Ground) -> Struck:
    """A link that carries little."""
    fault = _Fault(ground, "slow", promotion_due=False)
    node = ground.node()
    rate = ground.rng.choice([5_000, 10_000, 15_000])
    network = ground.cluster.network
    network.slow(node, rate)
    try:
        time.sleep(ground.rng.uniform(3.0, 6.0))
        stopped = network.stopped()
    finally:
        network.heal()
    evidence = f"{stopped} sends were held back" if stopped else ""
    return fault.over(f"bound what {node} sends to {rate} bytes/s", evidence)


def kill_etcd(ground: Ground) -> Struck:
    """All of etcd killed, and back before or after leases have run out."""
    fault = _Fault(ground, "kill-etcd", promotion_due=False)
    away_seconds = ground.rng.choice([0.3, 2.0]) * ground.ttl_seconds
    for member in ground.cluster.etcd_members.values():
        member.kill()
    was_away = not ground.cluster.etcd_answers()
    time.sleep(away_seconds)
    ground.cluster.start_etcd()
    evidence = "etcd did not answer meanwhile" if was_away else ""
    return fault.over(f"killed etcd for {away_seconds:.1f} s", evidence)


def kill_etcd_leader(ground: Ground) -> Struck:
    """Of several members of etcd one is killed that leads; it is started again."""
    return _kill_etcd_member(ground, "kill-etcd-leader", leads=True)


def kill_etcd_follower(ground: Ground) -> Struck:
    """Of several members of etcd one is killed that does not lead; it is started again."""
    return _kill_etcd_member(ground, "kill-etcd-follower", leads=False)


MEMBER_AWAY_SECONDS = 10.0
"""Longer than it may take until everybody goes on with another one."""


def _kill_etcd_member(ground: Ground, name: str, *, leads: bool) -> Struck:
    """The one on which most watches are; it leads or follows as asked."""
    cluster = ground.cluster
    members = list(cluster.etcd_members)
    watches = {member: cluster.etcd_watches(member) for member in members}
    member = max(members, key=lambda it: watches[it])
    others = [it for it in members if it != member]

    def is_led() -> bool:
        leader = cluster.etcd_leader()
        if leader is not None and (leader == member) is not leads:
            cluster.let_lead(member if leads else ground.rng.choice(others), leader)
        return leader is not None and (leader == member) is leads

    _until(is_led, f"{member} {'to lead' if leads else 'to follow'}")
    fault = _Fault(ground, name, promotion_due=False)
    cluster.etcd_members[member].kill()
    # What makes it a fault of one member: others lead, or go on leading.
    _until(lambda: cluster.etcd_leader() in others, "another member of etcd to lead")
    led_after_ms = (time.monotonic_ns() - fault.began_ns) / 1e6
    time.sleep(MEMBER_AWAY_SECONDS)
    cluster.start_etcd()
    evidence = f"{watches[member]} watches were lost, others led after {led_after_ms:.0f} ms"
    return fault.over(
        f"killed {member} of {len(members)}, which {'led' if leads else 'followed'}",
        evidence if watches[member] else "",
    )


def pause_etcd(ground: Ground) -> Struck:
    """All of etcd stopped for longer than every lease."""
    fault = _Fault(ground, "pause-etcd", promotion_due=False)
    for member in ground.cluster.etcd_members.values():
        member.pause()
    try:
        deadline = time.monotonic() + 3 * ground.ttl_seconds
        fenced: set[str] = set()
        while time.monotonic() < deadline and len(fenced) < len(ground.cluster.nodes):
            fenced |= _fenced(ground.cluster)
            time.sleep(0.1)
        time.sleep(ground.rng.uniform(0.0, 2.0))
    finally:
        for member in ground.cluster.etcd_members.values():
            member.resume()
    ground.cluster.wait_for_etcd()
    evidence = f"{len(fenced)} nodes fenced themselves" if fenced else ""
    return fault.over("stopped etcd for longer than the leases", evidence)


def lose_leases(ground: Ground) -> Struck:
    """All leases gone at once, while everything lives."""
    fault = _Fault(ground, "lose-leases", promotion_due=False)
    cluster = ground.cluster
    leases = [one["ID"] for one in cluster.ask_etcd("/v3/lease/leases", {}).get("leases", [])]
    for lease in leases:
        cluster.ask_etcd("/v3/lease/revoke", {"ID": lease})

    def gone() -> set[str]:
        return {
            str(one.node)
            for one in cluster.chronicle.since(fault.began_ns)
            if isinstance(one, NodeGone)
        }

    _until(lambda: gone() == set(cluster.nodes), "every node's key to go")
    evidence = f"{len(gone())} nodes' keys were gone"
    return fault.over(f"revoked {len(leases)} leases", evidence)


def _fenced(cluster: Cluster) -> set[str]:
    """Nodes whose metrics say that their lease has run out."""
    found = set()
    for node, live in cluster.chronicle.view.nodes.items():
        try:
            with urllib.request.urlopen(live.registration.metrics_url, timeout=2) as answer:
                if b"\nshoal_lease_remaining_seconds 0.0\n" in answer.read():
                    found.add(str(node))
        except OSError:
            continue
    return found


def roll(ground: Ground) -> Struck:
    """Everything stopped in order and started again, one after the other."""
    fault = _Fault(ground, "roll", promotion_due=True)
    cluster = ground.cluster
    ends: list[int] = []
    for program in cluster.nodes.values():
        ends.append(_restarted(cluster, program))
        ground.settle()
    # Before the coordinators: one that starts where no etcd answers ends at once.
    for member in cluster.etcd_members.values():
        member.terminate()
        member.wait()
        cluster.start_etcd()
    ground.settle()
    ends += [_restarted(cluster, program) for program in cluster.coordinators]
    left = {
        one.node for one in cluster.chronicle.since(fault.began_ns) if isinstance(one, NodeGone)
    }
    is_all = left == set(cluster.nodes) and not any(ends)
    evidence = f"{len(left)} nodes stopped in order and came back" if is_all else ""
    return fault.over(f"restarted everything in turn (exit codes {ends})", evidence)


def _restarted(cluster: Cluster, program: Program) -> int:
    """Stop it in order and start it again; of a node, wait until the registry knows."""
    began_ns = time.monotonic_ns()
    program.terminate()
    code = program.wait()
    program.start()
    if program.name in cluster.nodes:
        _until(lambda: cluster.chronicle.is_back(program.name, began_ns), f"{program.name} again")
    return code


def kill_without_coordinators(ground: Ground) -> Struck:
    """All coordinators killed, then a node."""
    fault = _Fault(ground, "kill-without-coordinators", promotion_due=True)
    cluster = ground.cluster
    node = ground.node()
    for program in cluster.coordinators:
        program.kill()
    try:
        cluster.nodes[node].kill()
        evidence = fault.wait_until_replaced(node)
        alone = not any(program.is_running for program in cluster.coordinators)
    finally:
        for program in cluster.coordinators:
            program.start()
    cluster.nodes[node].start()
    return fault.over(f"killed every coordinator and {node}", evidence if alone else "")


Nemesis = Callable[[Ground], Struck]

OF_SEVERAL_ETCDS = frozenset({"kill-etcd-leader", "kill-etcd-follower"})
"""Those that need an etcd which survives the loss of a member."""

NEMESES: Mapping[str, Nemesis] = MappingProxyType(
    {
        "kill": kill,
        "kill-and-restart": kill_and_restart,
        "hand-over": hand_over,
        "pause": pause,
        "cut-from-etcd": cut_from_etcd,
        "isolate": isolate,
        "deafen": deafen,
        "mute": mute,
        "part": part,
        "slow": slow,
        "kill-etcd": kill_etcd,
        "kill-etcd-leader": kill_etcd_leader,
        "kill-etcd-follower": kill_etcd_follower,
        "pause-etcd": pause_etcd,
        "lose-leases": lose_leases,
        "roll": roll,
        "kill-without-coordinators": kill_without_coordinators,
    }
)
