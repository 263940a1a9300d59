"""Both twins, over real gRPC, through one suite."""

from __future__ import annotations

import inspect
import threading
from datetime import timedelta

import pytest
from google.rpc import code_pb2

import shoal
import shoal.asyncio
from fake_refusal import status

ORIGINS = ("loader", "load", "store", "remove")


def annotation(parameter):
    """What reaches the origin is called by one twin and awaited by the other."""
    return "of the origin" if parameter.name in ORIGINS else parameter.annotation


def test_the_twins_have_the_same_names_and_parameters():
    def surface(client):
        return {
            name: [
                (parameter.name, parameter.kind, parameter.default, annotation(parameter))
                for parameter in inspect.signature(method).parameters.values()
            ]
            for name, method in inspect.getmembers(client, callable)
            if not name.startswith("_")
        }

    assert surface(shoal.Client) == surface(shoal.asyncio.Client)
    assert surface(shoal.Cache) == surface(shoal.asyncio.Cache)
    assert surface(shoal.Region) == surface(shoal.asyncio.Region)
    assert surface(shoal.ShardedCounter) == surface(shoal.asyncio.ShardedCounter)
    assert (
        inspect.signature(shoal.Client).parameters
        == inspect.signature(shoal.asyncio.Client).parameters
    )


def test_set_get_delete(client):
    assert client.get("k") is shoal.MISSING
    assert not client.get("k")
    stored = client.set("k", "ü", ttl="10m")
    assert stored
    assert stored.applied
    assert stored.version.epoch == 1
    assert client.get("k") == "ü".encode()
    assert client.get(b"k") == "ü".encode()
    assert client.delete("k", "k", b"never") == 1
    assert client.get("k") is shoal.MISSING


def test_get_entry_tells_version_and_ttl(client):
    stored = client.set("k", b"v", ttl=90)
    assert client.get_entry("k") == shoal.Entry(b"v", stored.version, timedelta(seconds=90))
    client.set("forever", b"v")
    assert client.get_entry("forever").ttl is None
    assert client.get_entry("never") is shoal.MISSING


def test_known_absent_is_not_missing(client, cluster):
    cluster.entries[b"k"] = (b"\x00absent", 0, 1)
    assert client.get("k") is shoal.ABSENT
    assert client.get_entry("k") is shoal.ABSENT
    assert client.get_many(["k", "never"]) == {"k": shoal.ABSENT, "never": shoal.MISSING}


def test_conditions(client):
    assert not client.set("k", b"1", if_present=True)
    first = client.set("k", b"1", if_absent=True)
    assert first
    refused = client.set("k", b"2", if_absent=True)
    assert not refused
    assert refused.version == first.version
    assert client.set("k", b"2", if_version=first.version)
    assert not client.set("k", b"3", if_version=first.version)
    assert client.get("k") == b"2"


def test_incr_and_touch(client):
    assert client.incr("n") == 1
    assert client.incr("n", 9) == 10
    assert client.incr("n", -20) == -10
    assert client.incr("m", 5, initial=100, ttl="1m") == 105
    assert client.get_entry("m").ttl == timedelta(minutes=1)
    assert client.touch("m", "2m") is True
    assert client.get_entry("m").ttl == timedelta(minutes=2)
    assert client.touch("m", None) is True
    assert client.get_entry("m").ttl is None
    assert client.touch("never", 5) is False


def test_incr_on_text_says_so(client):
    client.set("k", b"text")
    with pytest.raises(shoal.InvalidRequest) as caught:
        client.incr("k")
    assert caught.value.reason == "NOT_AN_INTEGER"
    assert caught.value.outcome is shoal.Outcome.NOT_APPLIED


def test_get_many_keeps_the_order_and_asks_each_node_once(client, cluster):
    keys = [f"key:{number}" for number in range(200)]
    client.set_many({key: key.upper() for key in keys if not key.endswith("7")}, ttl=60)
    asked = list(reversed(keys))
    got = client.get_many(iter(asked))
    assert list(got) == asked
    for key, value in got.items():
        assert value == (shoal.MISSING if key.endswith("7") else key.upper().encode())
    for node in cluster.nodes.values():
        assert len(node.requests("MSet")) == 1
        assert len(node.requests("MGet")) == 1
        assert node.requests("MGet")[0].routed
        assert all(cluster.owner(key) is node for key in node.requests("MGet")[0].keys)


def test_many_of_nothing_asks_nobody(client, cluster):
    assert client.get_many([]) == {}
    assert client.set_many({}) == {}
    assert client.delete() == 0


def test_text_and_bytes_of_one_key_are_both_answered(client):
    client.set("k", b"v")
    assert client.get_many(["k", b"k"]) == {"k": b"v", b"k": b"v"}


def test_delete_of_many_counts_over_all_nodes(client, cluster):
    keys = [f"key:{number}" for number in range(100)]
    client.set_many(dict.fromkeys(keys, b"v"))
    assert client.delete(*keys, "never") == 100
    assert cluster.entries == {}


def test_requests_go_straight_to_the_owner(client, cluster):
    for number in range(30):
        client.set(f"key:{number}", b"v")
    for node in cluster.nodes.values():
        assert node.requests("Set")
        for request in node.requests("Set"):
            assert request.routed
            assert cluster.owner(request.key) is node


def test_the_first_call_needs_no_topology(connect, cluster):
    cluster.hold_updates()
    client = connect(cluster.url, timeout="10s")
    assert client.set("k", b"v")
    (request,) = [r for node in cluster.nodes.values() for r in node.requests("Set")]
    assert not request.routed


def test_a_moved_partition_is_followed_at_once(client, cluster):
    cluster.hold_updates()
    old = cluster.owner("k")
    new = cluster.other(old)
    cluster.move(cluster.partition(b"k"), new.id)
    client.set("k", b"v")
    client.set("k", b"w")
    assert len(old.requests("Set")) == 1
    assert [request.routed for request in new.requests("Set")] == [True, True]


def test_many_moved_partitions_are_followed(client, cluster):
    keys = [f"key:{number}" for number in range(100)]
    client.set_many(dict.fromkeys(keys, b"v"))
    cluster.hold_updates()
    for partition, owner in enumerate(cluster.owners):
        if owner == "n0":
            cluster.move(partition, "n1")
    assert set(client.get_many(keys).values()) == {b"v"}
    assert client.delete(*keys) == 100


def test_pushed_topology_is_used(client, cluster, eventually):
    partition = cluster.partition(b"k")
    new = cluster.other(cluster.owner("k"))
    cluster.move(partition, new.id)
    eventually(lambda: client.topology().partitions[partition].primary == new.id, what="the update")
    client.get("k")
    assert [request.routed for request in new.requests("Get")] == [True]


def test_a_restarted_node_is_only_latency(client, cluster):
    node = cluster.nodes["n0"]
    keys = [cluster.key_owned_by(node, f"prefix{number}") for number in range(5)]
    cluster.hold_updates()
    node.stop()
    node.start()
    for key in keys:
        client.set(key, b"v")
        assert client.get(key) == b"v"
        assert client.incr(key + ":n") == 1


def test_a_dead_node_is_only_latency_while_others_forward(client, cluster):
    node = cluster.nodes["n1"]
    key = cluster.key_owned_by(node)
    cluster.hold_updates()
    node.stop()
    client.set(key, b"v")
    assert client.get(key) == b"v"
    assert client.incr("n:" + key) == 1
    assert client.get_many([key, "never"]) == {key: b"v", "never": shoal.MISSING}
    assert client.delete(key) == 1


def test_the_channel_of_a_node_that_left_is_closed(connect, cluster, eventually):
    client = connect(cluster.url.replace(f",{cluster.nodes['n2'].address}", ""), timeout="10s")
    client.topology()
    node = cluster.nodes["n2"]
    key = cluster.key_owned_by(node)
    client.set(key, b"v")
    pool = getattr(client, "client", client)._driver.pool
    assert node.address in pool.addresses
    cluster.leave("n2")
    eventually(lambda: node.address not in pool.addresses, what="the channel to be closed")
    assert client.get(key) == b"v"


def test_a_call_that_hangs_at_a_node_that_left_is_made_elsewhere(connect, cluster):
    seed = cluster.nodes["n0"]
    client = connect(f"shoal://{seed.address}", timeout="20s")
    client.topology()
    node = cluster.nodes["n1"]
    key = cluster.key_owned_by(node)
    node.hang_next("Set")
    timer = threading.Timer(0.3, cluster.leave, ["n1"])
    timer.start()
    client.set(key, b"v", timeout="20s")
    timer.join()
    assert cluster.owner(key).requests("Set")


def test_the_watch_moves_on_when_its_node_dies(client, cluster, eventually):
    watched = next(n for n in cluster.nodes.values() if n.requests("WatchTopology"))
    watched.stop()
    others = [node for node in cluster.nodes.values() if node is not watched]
    eventually(lambda: any(node.requests("WatchTopology") for node in others), what="another watch")
    cluster.leave(watched.id)
    eventually(lambda: watched.id not in client.topology().nodes, what="the update")


def test_a_failed_call_refreshes_the_topology(client, cluster, eventually):
    def watches():
        return sum(len(node.requests("WatchTopology")) for node in cluster.nodes.values())

    before = watches()
    cluster.owner("k").fail_next("Get", status(code_pb2.UNAVAILABLE, "NO_OWNER"))
    client.get("k")
    eventually(lambda: watches() > before, what="another watch")


def test_every_unavailable_reason_is_ridden_over(client, cluster):
    reasons = ["NO_OWNER", "LEASE_EXPIRED", "PARTITION_MOVING", "FORWARD_FAILED", "STOPPING"]
    for reason in reasons:
        cluster.owner("n").fail_next("Incr", status(code_pb2.UNAVAILABLE, reason, retry_after_ms=5))
    for _ in reasons:
        client.incr("n")
    assert client.get("n") == b"5"


def test_sets_deletes_and_touches_with_a_lost_answer_are_repeated(client, cluster):
    owner = cluster.owner("k")
    owner.cut_next("Set", after=True)
    assert client.set("k", b"v")
    owner.cut_next("Touch", after=True)
    assert client.touch("k", 5)
    owner.cut_next("Del", after=True)
    assert client.delete("k") == 0
    assert cluster.entries == {}


def test_a_read_that_hangs_is_asked_of_another_node(client, cluster):
    client.set("k", b"v")
    cluster.owner("k").hang_next("Get")
    assert client.get("k", timeout="4s") == b"v"


def test_a_write_that_hangs_ends_at_its_deadline(client, cluster):
    cluster.owner("k").hang_next("Set")
    with pytest.raises(shoal.DeadlineExceeded) as caught:
        client.set("k", b"v", timeout="150ms")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.outcome is shoal.Outcome.MAYBE_APPLIED


def test_a_read_that_finds_nobody_ends_at_its_deadline(client, cluster):
    for node in cluster.nodes.values():
        node.hang_next("Get", times=100)
    with pytest.raises(shoal.DeadlineExceeded) as caught:
        client.get("k", timeout="300ms")
    assert caught.value.outcome is shoal.Outcome.NOT_APPLIED


def test_nobody_there_is_unavailable(connect, cluster):
    client = connect(cluster.url, timeout="400ms")
    cluster.stop()
    with pytest.raises(shoal.Unavailable) as caught:
        client.incr("k")
    assert caught.value.reason == "UNREACHABLE"
    assert caught.value.outcome is shoal.Outcome.NOT_APPLIED
    with pytest.raises(shoal.Unavailable):
        client.topology()


def test_what_is_not_served_is_said(client, cluster):
    cluster.owner("k").fail_next("Set", status(code_pb2.UNIMPLEMENTED, "NOT_SERVED", field="ack"))
    with pytest.raises(shoal.NotServed):
        client.set("k", b"v", ack=shoal.Ack.IN_SYNC)


def test_a_full_memory_is_told_at_once(client, cluster):
    owner = cluster.owner("k")
    owner.fail_next("Set", status(code_pb2.RESOURCE_EXHAUSTED, "MEMORY_FULL", retry_after_ms=5))
    with pytest.raises(shoal.ResourceExhausted) as caught:
        client.set("k", b"v")
    assert caught.value.reason == "MEMORY_FULL"


def test_one_bad_value_among_many_fails_the_call_as_maybe_applied(client):
    values = {"a": b"1", "b": bytes(1024 * 1024 + 1)}
    with pytest.raises(shoal.InvalidRequest) as caught:
        client.set_many(values)
    assert caught.value.reason == "VALUE_TOO_LARGE"
    assert caught.value.outcome is shoal.Outcome.MAYBE_APPLIED


def test_more_than_a_request_holds_travels_in_several(client, cluster):
    values = {f"key:{number}": bytes(600_000) for number in range(12)}
    client.set_many(values)
    assert client.get_many(values) == values
    for node in cluster.nodes.values():
        for request in node.requests("MSet"):
            assert request.ByteSize() < 2_200_000


def test_a_closed_client_says_so(connect, cluster):
    client = connect(cluster.url)
    client.set("k", b"v")
    client.close()
    client.close()
    with pytest.raises(shoal.ClientClosed):
        client.get("k")


def test_a_client_that_was_never_used_closes(connect, cluster):
    connect(cluster.url).close()
    assert cluster.watchers == 0


def test_closing_ends_the_watch(connect, cluster, eventually):
    client = connect(cluster.url, timeout="10s")
    client.topology()
    assert cluster.watchers == 1
    client.close()
    eventually(lambda: cluster.watchers == 0, what="the watch to end")
