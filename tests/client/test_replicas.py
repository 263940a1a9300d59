"""Both twins against a cluster with copies: spreading, sessions, ids, and frozen nodes."""

from __future__ import annotations

import inspect
import threading

import pytest
from google.rpc import code_pb2

import shoal
import shoal.asyncio
from fake_refusal import status
from shoal.v1 import cache_pb2


@pytest.fixture
def replicated(client, cluster, eventually):
    """A client that knows of copies of everything at n1 and n2, besides n0's."""
    cluster.replicate("n0", "n1", "n2")
    eventually(
        lambda: all(len(each.in_sync) == 3 for each in client.topology().partitions),
        what="the copies to be known",
    )
    return client


def reads_at(cluster, method="Get"):
    return {name: len(node.requests(method)) for name, node in cluster.nodes.items()}


def test_the_sessions_of_the_twins_have_the_same_operations():
    def surface(of):
        return {
            name: [
                (parameter.name, parameter.kind, parameter.default, parameter.annotation)
                for parameter in inspect.signature(method).parameters.values()
            ]
            for name, method in inspect.getmembers(of, callable)
            if not name.startswith("_")
        }

    assert surface(shoal.Session) == surface(shoal.asyncio.Session)
    writes = {"set", "set_many", "delete", "incr", "invalidate_tag", "touch"}
    client, session = surface(shoal.Client), surface(shoal.Session)
    assert {name: client[name] for name in writes} == {name: session[name] for name in writes}
    assert set(session) == writes | {"get", "get_entry", "get_many"}


def test_reads_of_any_copy_are_spread(replicated, cluster):
    replicated.set("k", b"v")
    for _ in range(60):
        assert replicated.get("k", read="any") == b"v"
    assert all(count >= 5 for count in reads_at(cluster).values())
    assert all(
        request.routed for node in cluster.nodes.values() for request in node.requests("Get")
    )


def test_reads_of_the_primary_are_not_spread(replicated, cluster):
    for _ in range(20):
        replicated.get("k")
    assert reads_at(cluster)[cluster.owner("k").id] == 20


def test_a_copy_that_is_gone_costs_one_hop(replicated, cluster):
    replicated.set("k", b"v")
    cluster.hold_updates()
    gone = cluster.other(cluster.owner("k"))
    gone.stop()
    for _ in range(20):
        assert replicated.get("k", read=shoal.ReadMode.ANY) == b"v"
        assert replicated.get_many(["k"], read="any") == {"k": b"v"}


def test_a_copy_may_be_stale_and_at_least_prevents_it(replicated, cluster):
    first = replicated.set("k", b"old")
    behind = cluster.other(cluster.owner("k"))
    cluster.freeze_copies(behind.id)
    second = replicated.set("k", b"new")
    assert {replicated.get("k", read="any") for _ in range(60)} == {b"old", b"new"}
    assert {replicated.get("k", at_least=first.version) for _ in range(60)} == {b"old", b"new"}
    assert {replicated.get("k", at_least=second.version) for _ in range(60)} == {b"new"}
    many = [
        replicated.get_many(["k", "other"], at_least={"k": second.version})["k"] for _ in range(30)
    ]
    assert set(many) == {b"new"}
    entries = [replicated.get_entry("k", at_least=second.version) for _ in range(30)]
    assert {entry.version for entry in entries} == {second.version}


def test_a_session_reads_what_it_wrote(replicated, cluster):
    session = replicated.session()
    behind = cluster.other(cluster.owner("k"))
    session.set("k", b"0")
    cluster.freeze_copies(behind.id)
    for number in range(1, 20):
        value = str(number).encode()
        session.set("k", value)
        assert session.get("k") == value
        assert session.get_entry("k").value == value
        assert session.get_many(["k"]) == {"k": value}
    assert session.incr("k") == 20
    assert session.get("k") == b"20"
    assert session.touch("k", "1m")
    assert session.set_many({"k": b"many"})
    assert session.get("k") == b"many"
    assert session.delete("k") == 1
    assert {session.get("k") for _ in range(30)} == {shoal.MISSING}
    assert {replicated.get("k", read="any") for _ in range(60)} == {b"0", shoal.MISSING}


def test_a_session_never_goes_back(replicated, cluster):
    """What one copy has told, a value or its absence, is not taken back by another."""
    session = replicated.session()
    behind = cluster.other(cluster.owner("k"))
    replicated.set("k", b"old")
    cluster.freeze_copies(behind.id)
    replicated.set("k", b"new")
    seen = [session.get("k") for _ in range(60)]
    assert seen == sorted(seen, key=lambda value: value == b"new")
    assert seen[-1] == b"new"
    replicated.delete("k")
    seen = [session.get("k") for _ in range(60)]
    assert set(seen) == {shoal.MISSING}


def test_sessions_are_apart(replicated, cluster):
    mine, theirs = replicated.session(), replicated.session()
    behind = cluster.other(cluster.owner("k"))
    mine.set("k", b"old")
    cluster.freeze_copies(behind.id)
    mine.set("k", b"new")
    assert theirs.get("k") in (b"old", b"new")
    assert mine.get("k") == b"new"


def test_the_first_call_of_a_session_waits_for_the_topology(connect, cluster):
    session = connect(cluster.url, timeout="10s").session()
    assert session.set("k", b"v")
    assert session.get("k") == b"v"


def test_an_incr_with_a_lost_answer_counts_once(client, cluster):
    owner = cluster.owner("n")
    owner.cut_next("Incr", after=True)
    assert client.incr("n") == 1
    assert client.get("n") == b"1"
    sent = [request for node in cluster.nodes.values() for request in node.requests("Incr")]
    first, second = sent
    assert len(first.request_id) == 16
    assert first.request_id == second.request_id
    client.incr("n")
    assert cluster.owner("n").requests("Incr")[-1].request_id != first.request_id


def test_a_conditional_set_with_a_lost_answer_applies_once(client, cluster):
    cluster.owner("k").cut_next("Set", after=True)
    stored = client.set("k", b"v", if_absent=True)
    assert stored.applied
    cluster.owner("k").cut_next("Set", after=True)
    assert client.set("k", b"w", if_version=stored.version).applied
    assert client.get("k") == b"w"


def test_an_incr_that_hangs_is_made_elsewhere_and_counts_once(client, cluster):
    cluster.owner("n").hang_next("Incr")
    assert client.incr("n", timeout="8s") == 1
    assert client.get("n") == b"1"


def test_a_cluster_that_knows_no_request_ids_is_served_without(client, cluster):
    cluster.knows_request_ids = False
    assert client.incr("n") == 1
    assert client.incr("n") == 2
    assert client.set("k", b"v", if_absent=True)
    cluster.owner("n").cut_next("Incr", after=True)
    with pytest.raises(shoal.OutcomeUnknown):
        client.incr("n")
    assert client.get("n") == b"3"


def test_a_write_that_is_not_confirmed_by_every_copy_is_unknown(client, cluster):
    refusal = status(
        code_pb2.UNAVAILABLE, "NOT_REPLICATED", outcome="MAYBE_APPLIED", retry_after_ms=60_000
    )
    cluster.owner("k").fail_next("Set", refusal, after=True)
    with pytest.raises(shoal.OutcomeUnknown) as caught:
        client.set("k", b"v", ack=shoal.Ack.IN_SYNC)
    assert caught.value.reason == "NOT_REPLICATED"
    assert caught.value.outcome is shoal.Outcome.MAYBE_APPLIED


def test_a_write_with_too_few_copies_is_not_applied(client, cluster):
    refusal = status(
        code_pb2.UNAVAILABLE, "TOO_FEW_COPIES", retry_after_ms=60_000, copies="1", min_in_sync="2"
    )
    cluster.owner("k").fail_next("Del", refusal)
    with pytest.raises(shoal.Unavailable) as caught:
        client.delete("k")
    assert caught.value.reason == "TOO_FEW_COPIES"
    assert caught.value.outcome is shoal.Outcome.NOT_APPLIED


def test_the_ack_of_a_client_holds_for_its_writes(connect, cluster):
    client = connect(f"{cluster.url}?ack=in_sync", timeout="10s")
    client.topology()
    client.set("k", b"v")
    client.touch("k", 5)
    client.set_many({"k": b"v"})
    client.set("k", b"v", ack="primary")
    owner = cluster.owner("k")
    (batch,) = owner.requests("MSet")
    sent = [*owner.requests("Set"), *owner.requests("Touch"), *batch.entries]
    assert [request.ack for request in sent] == [
        cache_pb2.ACK_IN_SYNC,
        cache_pb2.ACK_PRIMARY,
        cache_pb2.ACK_IN_SYNC,
        cache_pb2.ACK_IN_SYNC,
    ]


@pytest.mark.parametrize("seeds", ["all", "frozen alone"])
@pytest.mark.parametrize("operation", ["set", "incr", "get", "set_many"])
def test_a_call_to_a_frozen_primary_moves_on_when_others_know_better(
    connect, cluster, seeds, operation
):
    """Also where the frozen node is a seed, and the one that tells the topology."""
    frozen = cluster.nodes["n1"]
    url = cluster.url if seeds == "all" else f"shoal://{frozen.address}"
    # Shorter than the node stays frozen.
    client = connect(url, timeout="20s")
    client.topology()
    key = cluster.key_owned_by(frozen)
    frozen.freeze()
    timer = threading.Timer(0.5, cluster.leave, ["n1"])
    timer.start()
    called = {
        "set": lambda: client.set(key, b"v"),
        "incr": lambda: client.incr(key),
        "get": lambda: client.get(key),
        "set_many": lambda: client.set_many({key: b"v"}),
    }
    called[operation]()
    timer.join()
    assert cluster.owner(key) is not frozen
