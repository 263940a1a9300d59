"""Who may do what: every method of every service, for every role, and operations in batches.

A method that is new fails here until it is said what it needs. The data plane and the
coordinator's server are the real ones, in this process.
"""

from __future__ import annotations

import importlib
import pkgutil
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

import shoal.v1
from admin_process import AdminInThread
from cluster_views import CONFIG, live, member, view
from shoal.v1 import admin_pb2, cache_pb2, cache_pb2_grpc, replication_pb2, topology_pb2
from shoal_coordinator.access.bearer import digest_of, metadata_of
from shoal_coordinator.access.policy import PREFIXED, Operation, Policy, Role, Token
from shoal_coordinator.access.rights import Access, rights_of
from shoal_node._bridge import DataPlane
from shoal_node.data_plane import DataPlaneSettings

PARTITIONS = 4
ALLOWED, FORBIDDEN, NOBODY = "allowed", "PERMISSION_DENIED", "UNAUTHENTICATED"
INSIDE, OUTSIDE = b"a:1", b"b:1"
READ, WRITE, INVALIDATE = Operation.READ, Operation.WRITE, Operation.INVALIDATE
WATCH, ADMIN, PEER = Operation.WATCH, Operation.ADMIN, Operation.PEER

ROLES = {
    **{str(it): Role(str(it), frozenset({it}), prefixes=frozenset()) for it in Operation},
    **{str(it): Role(str(it), frozenset({it}), frozenset({b"a:"})) for it in PREFIXED},
    "read-write": Role("read-write", frozenset({READ, WRITE}), frozenset({b"a:"})),
    "everything": Role("everything", frozenset(Operation), frozenset({b""})),
}
POLICY = Policy(
    tuple(ROLES.values()),
    tuple(Token(name, digest_of(f"token of {name}"), (name,)) for name in ROLES),
)


@dataclass(frozen=True)
class Asks:
    """One request, of a key or a tag where it names one, and what it needs for that."""

    method: str
    message: Callable[[bytes], Any]
    answer: Any
    needs: tuple[Operation, ...] = ()
    is_open: bool = False
    """Whoever asks is answered."""
    what: str = ""
    shapes: tuple[bool, bool] = (False, False)
    """Whether many messages go there, and back."""

    @property
    def label(self) -> str:
        return f"{self.method} {self.what}".strip()


def cache(method: str, message: Callable[[bytes], Any], *needs: Operation, what: str = "") -> Asks:
    described = cache_pb2.DESCRIPTOR.services_by_name["Cache"].methods_by_name[method]
    shapes = (described.client_streaming, described.server_streaming)
    answer = getattr(cache_pb2, described.output_type.name)
    return Asks(f"/shoal.v1.Cache/{method}", message, answer, needs, what=what, shapes=shapes)


def execute(
    operation: Callable[[bytes], cache_pb2.Operation], *needs: Operation, what: str
) -> Asks:
    def message(key: bytes) -> cache_pb2.ExecuteRequest:
        return cache_pb2.ExecuteRequest(operations=[operation(key)])

    return cache("Execute", message, *needs, what=what)


Op = cache_pb2.Operation
FILL = cache_pb2.Fill(lease_ms=1)
NESTED = {
    "get": (lambda key: Op(get=cache_pb2.GetRequest(key=key)), READ),
    "set": (lambda key: Op(set=cache_pb2.SetRequest(key=key, value=b"1")), WRITE),
    "del": (lambda key: Op(**{"del": cache_pb2.DelRequest(keys=[key])}), WRITE),
    "incr": (lambda key: Op(incr=cache_pb2.IncrRequest(key=key)), WRITE),
    "touch": (lambda key: Op(touch=cache_pb2.TouchRequest(key=key)), WRITE),
    "release_fill": (lambda key: Op(release_fill=cache_pb2.ReleaseFillRequest(key=key)), WRITE),
}
NODE = [
    cache("Get", lambda key: cache_pb2.GetRequest(key=key), READ),
    cache("Get", lambda key: cache_pb2.GetRequest(key=key, routed=True), READ, what="routed"),
    cache("Get", lambda key: cache_pb2.GetRequest(key=key, fill=FILL), READ, WRITE, what="fill"),
    cache("Set", lambda key: cache_pb2.SetRequest(key=key, value=b"1"), WRITE),
    cache("Set", lambda key: cache_pb2.SetRequest(key=key, tags=["b:t"]), WRITE, what="tagged"),
    cache("Del", lambda key: cache_pb2.DelRequest(keys=[key]), WRITE),
    cache("Incr", lambda key: cache_pb2.IncrRequest(key=key), WRITE),
    cache("MGet", lambda key: cache_pb2.MGetRequest(keys=[key]), READ),
    cache("MSet", lambda key: cache_pb2.MSetRequest(entries=[{"key": key}]), WRITE),
    cache("Touch", lambda key: cache_pb2.TouchRequest(key=key), WRITE),
    cache("ReleaseFill", lambda key: cache_pb2.ReleaseFillRequest(key=key), WRITE),
    cache("InvalidateTag", lambda tag: cache_pb2.InvalidateTagRequest(tag=tag), INVALIDATE),
    *(execute(made, needs, what=name) for name, (made, needs) in NESTED.items()),
    cache("WatchTopology", lambda _: cache_pb2.WatchTopologyRequest(), WATCH),
    cache("WatchInvalidations", lambda _: cache_pb2.WatchInvalidationsRequest(), WATCH),
    Asks(
        "/shoal.v1.Replication/Follow",
        lambda _: replication_pb2.FollowRequest(),
        replication_pb2.FollowResponse,
        (PEER,),
        shapes=(True, True),
    ),
    Asks(
        "/shoal.v1.Replication/Positions",
        lambda _: replication_pb2.PositionsRequest(),
        replication_pb2.PositionsResponse,
        (PEER,),
    ),
]
STANDARD = [
    Asks(
        "/grpc.health.v1.Health/Check",
        lambda _: health_pb2.HealthCheckRequest(),
        health_pb2.HealthCheckResponse,
        is_open=True,
    ),
    Asks(
        "/grpc.health.v1.Health/List",
        lambda _: health_pb2.HealthListRequest(),
        health_pb2.HealthListResponse,
        is_open=True,
    ),
    Asks(
        "/grpc.health.v1.Health/Watch",
        lambda _: health_pb2.HealthCheckRequest(),
        health_pb2.HealthCheckResponse,
        is_open=True,
        shapes=(False, True),
    ),
    *(
        Asks(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            lambda _: reflection_pb2.ServerReflectionRequest(list_services="*"),
            reflection_pb2.ServerReflectionResponse,
            shapes=(True, True),
        )
        for version in ("v1", "v1alpha")
    ),
    Asks("/shoal.v1.Cache/Such", lambda _: health_pb2.HealthCheckRequest(), cache_pb2.GetResponse),
    Asks("/shoal.v1.None/Such", lambda _: health_pb2.HealthCheckRequest(), cache_pb2.GetResponse),
]
COORDINATOR = [
    Asks(
        f"/shoal.v1.Admin/{method.name}",
        lambda _, made=method.input_type: getattr(admin_pb2, made.name)(),
        getattr(admin_pb2, method.output_type.name),
        (ADMIN,),
    )
    for method in admin_pb2.DESCRIPTOR.services_by_name["Admin"].methods
]


@dataclass(frozen=True)
class Served:
    """A node and a coordinator that ask who is there."""

    plane: DataPlane
    node: grpc.Channel
    coordinator: grpc.Channel

    def channel(self, asks: Asks) -> grpc.Channel:
        return self.coordinator if asks in COORDINATOR else self.node


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    plane = DataPlane(
        DataPlaneSettings(
            node_id="me",
            listen="127.0.0.1:0",
            partition_count=PARTITIONS,
            maxmemory_bytes=64 << 20,
            worker_threads=1,
        )
    )
    plane.set_access(*POLICY.table())
    address = plane.start()
    plane.set_lease_deadline(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 3600 * 10**9)
    plane.install_topology(topology(address))
    for partition in range(PARTITIONS):
        plane.open_partition(partition, 1, "i-c")
    seen = view(nodes=(live("a"),), members=(member("a"),), config=CONFIG)
    with (
        AdminInThread(seen, access=Access(POLICY)) as admin,
        grpc.insecure_channel(address) as node,
        grpc.insecure_channel(admin.address) as coordinator,
    ):
        yield Served(plane, node, coordinator)
    plane.stop(0)


def topology(address: str) -> bytes:
    owners = [topology_pb2.Partition(id=it, epoch=1, primary="me") for it in range(PARTITIONS)]
    return topology_pb2.Topology(
        cluster="c",
        revision=1,
        complete=True,
        partition_count=PARTITIONS,
        nodes=[topology_pb2.Node(id="me", address=address)],
        partitions=owners,
    ).SerializeToString()


def outcome(channel: grpc.Channel, asks: Asks, key: bytes, token: str | None) -> str:
    """Whether it is answered, be it that the request makes no sense; else why not."""
    kinds: dict[tuple[bool, bool], Callable[..., Any]] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    method = kinds[asks.shapes](
        asks.method, lambda message: message.SerializeToString(), asks.answer.FromString
    )
    message = asks.message(key)
    sent = iter([message]) if asks.shapes[0] else message
    try:
        answer = method(sent, timeout=10, metadata=metadata_of(token))
        if asks.shapes[1]:
            stream, answer = answer, next(answer, None)
            stream.cancel()
    except grpc.RpcError as error:
        reason = reason_of(error)
        return reason if reason in {FORBIDDEN, NOBODY} else ALLOWED
    for failure in failures(answer):
        assert failure.metadata["outcome"] == "NOT_APPLIED"
        return str(failure.reason)
    return ALLOWED


def reason_of(error: Any) -> str:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    for detail in () if status is None else status.details:
        detail.Unpack(info)
        if info.reason:
            assert (info.domain, error.code().name) == ("shoal", info.reason) or (
                info.reason not in {FORBIDDEN, NOBODY}
            )
            assert info.metadata["outcome"] == "NOT_APPLIED"
            return info.reason
    return str(error.code().name)


def failures(answer: Any) -> Iterable[cache_pb2.KeyError]:
    """What the items of a batch were refused with."""
    items: Iterable[Any] = ()
    match answer:
        case cache_pb2.MGetResponse():
            items = answer.entries
        case cache_pb2.MSetResponse() | cache_pb2.ExecuteResponse():
            items = answer.results
    return (
        item.error for item in items if item.HasField("error") and item.error.reason == FORBIDDEN
    )


def wanted(asks: Asks, role: Role, key: bytes) -> str:
    rights = rights_of([role])
    # What is held to prefixes is so by the key; to watch is to watch at all.
    allowed = (
        rights.may(it, key) if it is not WATCH else rights.may_at_all(it) for it in asks.needs
    )
    return ALLOWED if all(allowed) else FORBIDDEN


EVERYTHING = [*NODE, *STANDARD, *COORDINATOR]


@pytest.mark.parametrize("asks", EVERYTHING, ids=lambda asks: asks.label)
def test_each_role_may_do_what_it_says_and_nothing_else(served: Served, asks: Asks) -> None:
    channel = served.channel(asks)
    told = {
        (name, key): outcome(channel, asks, key, f"token of {name}")
        for name in ROLES
        for key in (INSIDE, OUTSIDE)
    }
    assert told == {(name, key): wanted(asks, ROLES[name], key) for name, key in told}
    for token in (None, "a token that nobody has"):
        nobody = outcome(channel, asks, INSIDE, token)
        assert nobody == (ALLOWED if asks.is_open else NOBODY), token


@pytest.mark.parametrize("asks", STANDARD, ids=lambda asks: asks.label)
def test_a_coordinator_tells_health_to_everybody_and_itself_to_whom_it_knows(
    served: Served, asks: Asks
) -> None:
    for token, otherwise in ((None, NOBODY), ("wrong", NOBODY), ("token of read", ALLOWED)):
        told = outcome(served.coordinator, asks, INSIDE, token)
        assert told == (ALLOWED if asks.is_open else otherwise)


def test_no_method_and_no_nested_operation_is_left_out() -> None:
    ours = {it.name for it in pkgutil.iter_modules(shoal.v1.__path__) if it.name.endswith("_pb2")}
    files = [importlib.import_module(f"shoal.v1.{name}") for name in ours]
    described = [
        service
        for file in (*files, health_pb2, reflection_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    assert len(described) == 5
    methods = {f"/{service.full_name}/{it.name}" for service in described for it in service.methods}
    assert methods - {asks.method for asks in EVERYTHING} == set()
    operations = cache_pb2.Operation.DESCRIPTOR.oneofs_by_name["operation"].fields
    assert {field.name for field in operations} == NESTED.keys()


def test_what_is_allowed_of_a_batch_is_done_and_the_rest_is_not(served: Served) -> None:
    stub = cache_pb2_grpc.CacheStub(served.node)
    metadata = metadata_of("token of read-write")
    both = [INSIDE, OUTSIDE]
    every = metadata_of("token of everything")
    entries = [cache_pb2.SetRequest(key=key, value=b"before") for key in both]
    stub.MSet(cache_pb2.MSetRequest(entries=entries), metadata=every)

    for entry in entries:
        entry.value = b"after"
    written = stub.MSet(cache_pb2.MSetRequest(entries=entries), metadata=metadata)
    assert [it.error.reason for it in written.results] == ["", FORBIDDEN]
    read = stub.MGet(cache_pb2.MGetRequest(keys=both), metadata=metadata)
    assert [it.value for it in read.entries] == [b"after", b""]
    assert [it.error.reason for it in read.entries] == ["", FORBIDDEN]
    read = stub.MGet(cache_pb2.MGetRequest(keys=both), metadata=every)
    assert [it.value for it in read.entries] == [b"after", b"before"]

    # A Del fails as a whole: so nothing of it is done.
    with pytest.raises(grpc.RpcError) as refused:
        stub.Del(cache_pb2.DelRequest(keys=both), metadata=metadata)
    assert reason_of(refused.value) == FORBIDDEN
    operations = [NESTED[name][0](key) for key in both for name in ("set", "del", "incr", "get")]
    operations.append(Op(**{"del": cache_pb2.DelRequest(keys=both)}))
    (answer,) = stub.Execute(
        iter([cache_pb2.ExecuteRequest(operations=operations)]), metadata=metadata
    )
    assert [it.error.reason for it in answer.results] == [*[""] * 4, *[FORBIDDEN] * 5]
    read = stub.MGet(cache_pb2.MGetRequest(keys=both), metadata=every)
    assert [it.value for it in read.entries] == [b"1", b"before"]


def test_a_change_holds_for_streams_that_are_open(served: Served) -> None:
    stub = cache_pb2_grpc.CacheStub(served.node)
    metadata = metadata_of("token of everything")
    asked: queue.SimpleQueue[cache_pb2.ExecuteRequest | None] = queue.SimpleQueue()
    batch = cache_pb2.ExecuteRequest(operations=[NESTED["set"][0](INSIDE)])
    executing = stub.Execute(iter(asked.get, None), timeout=20, metadata=metadata)
    watches = [
        stub.WatchTopology(cache_pb2.WatchTopologyRequest(), timeout=20, metadata=metadata),
        stub.WatchInvalidations(
            cache_pb2.WatchInvalidationsRequest(), timeout=20, metadata=metadata
        ),
    ]
    for watch in watches:
        next(watch)
    asked.put(batch)
    assert next(executing).results[0].HasField("set")
    try:
        (everything,) = (it for it in POLICY.tokens if it.name == "everything")
        lesser = [replace(it, roles=("read",)) if it == everything else it for it in POLICY.tokens]
        served.plane.set_access(*replace(POLICY, tokens=tuple(lesser)).table())
        asked.put(batch)
        assert next(executing).results[0].error.reason == FORBIDDEN
        for watch in watches:
            with pytest.raises(grpc.RpcError) as ended:
                for _ in watch:
                    pass
            assert reason_of(ended.value) == FORBIDDEN
        others = tuple(it for it in POLICY.tokens if it != everything)
        served.plane.set_access(*replace(POLICY, tokens=others).table())
        asked.put(batch)
        with pytest.raises(grpc.RpcError) as ended:
            next(executing)
        assert reason_of(ended.value) == NOBODY
    finally:
        asked.put(None)
        served.plane.set_access(*POLICY.table())


@pytest.mark.parametrize(
    "path",
    [
        "/shoal.v1.Replication/Positions",
        "/shoal.v1.Replication/Positions?a=/b",
        "/shoal.v1.Replication/Positions?a",
        "/shoal.v1.Replication/Positions/",
        "//shoal.v1.Replication/Positions",
        "/shoal.v1.Replication//Positions",
        "/shoal.v1.%52eplication/Positions",
        "/grpc.health.v1.Health/../shoal.v1.Replication/Positions",
        "http://h/shoal.v1.Replication/Positions",
        "/shoal.v1.Cache/Get?a=/b",
    ],
)
def test_no_spelling_of_a_path_leads_around_its_right(served: Served, path: str) -> None:
    request = replication_pb2.PositionsRequest().SerializeToString()
    for token in ("token of watch", "no token of anybody"):
        call = served.node.unary_unary(path, None, None)
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=10, metadata=metadata_of(token))
        assert reason_of(refused.value) in {FORBIDDEN, NOBODY, "UNIMPLEMENTED"}
