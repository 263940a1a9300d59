"""The soak's own parts: when it counts as void, what it reads in the registry, its proxies."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tools.soak.campaign import Round, chosen
from tools.soak.checks.judge import Judged
from tools.soak.chronicle import InSyncChanged, NodeCame, NodeGone, Promoted, changes
from tools.soak.cluster import lives
from tools.soak.nemeses import NEMESES, Struck
from tools.soak.network import Address
from tools.soak.proxies import Proxies
from tools.soak.report import Setting, as_json, is_good, of_all, of_round
from tools.soak.simulated import Simulated, simulate

from cluster_views import CONFIG
from shoal_coordinator.registry.port import LeaseId, Revision
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode

A, B, C = (Copy(NodeId(name), CopyId(f"{name}-1")) for name in "abc")

STRUCK = Struck("kill", "killed a", "a was gone", True, 3, 0, 1)
ROUND = Round(1, 7, (STRUCK,), 9.0, 250.0, Judged(operations=2000), {}, (), "", "")
SETTING = Setting(7, "a network", 3, 1, 16, 2)


def test_a_fault_that_did_not_bite_is_void() -> None:
    assert not STRUCK.void
    assert "did not bite" in replace(STRUCK, evidence="").void
    assert "no promotion" in replace(STRUCK, promotions=0).void
    assert not replace(STRUCK, promotions=0, promotion_due=False).void


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("void", ("only 7 operations a second",)),
        ("broken", "not within 40 s: a successor"),
        ("judged", Judged(undecided=["reg:1"])),
    ],
)
def test_a_round_that_shows_nothing_is_not_good(field: str, value: object) -> None:
    assert ROUND.is_good
    bad = replace(ROUND, **{field: value})
    assert not bad.is_good
    assert not is_good([ROUND, bad])
    assert not is_good([])
    assert "NOT GOOD" in of_all(SETTING, [ROUND, bad])
    assert as_json(SETTING, [ROUND, bad])["good"] is False


def test_a_report_says_what_was_done_and_found() -> None:
    assert "killed a; a was gone" in of_round(ROUND)
    told = as_json(SETTING, [ROUND])
    assert (told["good"], told["operations"], told["faults"]) == (True, 2000, {"kill": 1})


def test_simulated_clusters_are_run_and_counted(tmp_path: Path) -> None:
    simulated = simulate(5, 2, tmp_path / "told.json", cores=1)
    assert (simulated.seeds, simulated.broken, simulated.is_good) == (2, {}, True)
    assert simulated.steps > 2 * 1_000
    assert "2 simulated clusters from seed 5" in of_all(SETTING, [ROUND], simulated)
    assert as_json(SETTING, [ROUND], simulated)["simulated"]["seeds"] == 2


def test_a_simulated_cluster_that_broke_something_is_not_good() -> None:
    simulated = Simulated(5, 25, 50_000, 1.0, {7: ["two acknowledged"]})
    assert not is_good([ROUND], simulated)
    told = of_all(SETTING, [ROUND], simulated)
    assert "SEED 7: two acknowledged" in told
    assert "NOT GOOD" in told


def test_the_seed_decides_the_faults() -> None:
    def drawn(seed: int) -> list[list[str]]:
        rng = random.Random(seed)
        return [chosen(rng, list(NEMESES)) for _ in range(50)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {name for names in drawn(1) for name in names} == set(NEMESES)


def registered(name: str, incarnation: str) -> LiveNode:
    registration = NodeRegistration(
        NodeId(name), "127.0.0.1:1", "", 1, Incarnation(incarnation), "1", ""
    )
    return LiveNode(registration, Revision(1), LeaseId(1))


def view(
    nodes: dict[str, str], epoch: int, primary: Copy, in_sync: tuple[Copy, ...]
) -> ClusterView:
    record = PartitionRecord(
        PartitionId(0), Epoch(epoch), primary, Incarnation("i"), (), in_sync, ()
    )
    return ClusterView(
        "default",
        Revision(1),
        CONFIG,
        nodes={NodeId(name): registered(name, mark) for name, mark in nodes.items()},
        partitions={PartitionId(0): HeldPartition(record, Revision(1))},
    )


def test_the_chronicle_tells_what_happened_between_two_views() -> None:
    before = view({"a": "1", "b": "1"}, 4, A, (A, B))
    assert changes(before, before, 9) == []
    assert changes(before, view({"a": "2", "b": "1"}, 5, B, (B,)), 9) == [
        NodeGone(9, NodeId("a"), "1"),
        NodeCame(9, NodeId("a"), "2"),
        Promoted(9, PartitionId(0), 5, A, B, was_in_sync=True),
    ]
    (outsider,) = changes(before, view({"a": "1", "b": "1"}, 5, C, (C,)), 9)
    assert isinstance(outsider, Promoted)
    assert not outsider.was_in_sync
    assert changes(before, view({"a": "1", "b": "1"}, 4, A, (A,)), 9) == [
        InSyncChanged(9, PartitionId(0), frozenset({A, B}), frozenset({A}))
    ]


def test_a_copy_lives_as_long_as_the_process_that_made_it() -> None:
    seen = view({"a": "mark-12345678abcd"}, 4, A, (A,))
    assert lives(seen, Copy(NodeId("a"), CopyId("12345678-x")))
    assert not lives(seen, Copy(NodeId("a"), CopyId("87654321-x")))
    assert not lives(seen, Copy(NodeId("b"), CopyId("12345678-x")))


@pytest.fixture
def echo() -> Iterator[Address]:
    """A listener that sends everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address("127.0.0.1", server.getsockname()[1])
        thread.join(20)


@pytest.mark.parametrize(("source", "target"), [("n", "etcd"), ("etcd", "n")])
def test_a_cut_link_holds_one_direction_back_until_it_is_healed(
    echo: Address, source: str, target: str
) -> None:
    network = Proxies()
    try:
        front = network.reach("n", "etcd", echo)
        with socket.create_connection((front.host, front.port), timeout=20) as client:
            client.sendall(b"one")
            assert client.recv(3) == b"one"
            network.cut(source, target)
            client.settimeout(0.3)
            client.sendall(b"two")
            with pytest.raises(TimeoutError):
                client.recv(3)
            assert network.stopped() > 0
            network.heal()
            client.settimeout(20)
            assert client.recv(3) == b"two"
    finally:
        network.close()


def test_a_cut_between_two_nodes_spares_their_links_to_etcd(echo: Address) -> None:
    network = Proxies()
    try:
        front = network.reach("n", "etcd", echo)
        network.reach("", "n", Address("127.0.0.1", 1))
        network.cut("m", "n")
        network.cut("n", "m")
        with socket.create_connection((front.host, front.port), timeout=20) as client:
            client.sendall(b"one")
            assert client.recv(3) == b"one"
    finally:
        network.close()
