"""The parts of the store over etcd that need no etcd."""

from __future__ import annotations

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal_coordinator.registry.etcd import BadEtcdUrl, EtcdSettings
from shoal_coordinator.registry.etcd.continuity import Continuity
from shoal_coordinator.registry.etcd.endpoints import Rotation
from shoal_coordinator.registry.etcd.errors import call_error, commit_error
from shoal_coordinator.registry.etcd.ranges import after, end_of_prefix
from shoal_coordinator.registry.etcd.releases import assess
from shoal_coordinator.registry.etcd.urls import asks_for_tls, endpoint_targets
from shoal_coordinator.registry.etcd.watch import StreamEnded, WatchReader
from shoal_coordinator.registry.etcd.wire import kv_pb2, rpc_pb2
from shoal_coordinator.registry.port import (
    Compacted,
    Events,
    LeaseLost,
    OutcomeUnknown,
    Removed,
    Revision,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    StoreWentBack,
)

# A busy machine is no failure.
CALM = settings(suppress_health_check=[HealthCheck.too_slow])

Code = grpc.StatusCode


def test_urls_name_endpoints_in_order_and_once() -> None:
    assert endpoint_targets("http://a:1, http://b,http://[::1]:3,http://a:1/") == (
        "dns:///a:1",
        "dns:///b:2379",
        "dns:///[::1]:3",
    )


@pytest.mark.parametrize(
    "urls",
    ["", " , ", "a:2379", "localhost", "http://", "https://", "http://a:1,https://b:1",
     "http://a:x", "http://a:1/v3", "ftp://a:1", "http://u:p@a:1", "http://a:99999"],
)  # fmt: skip
def test_what_is_no_url_is_refused_with_what_to_write(urls: str) -> None:
    with pytest.raises(BadEtcdUrl, match="http://"):
        endpoint_targets(urls)


def test_tls_is_asked_for_by_the_scheme() -> None:
    assert asks_for_tls("https://a:1,https://b:1")
    assert not asks_for_tls("http://a:1")
    assert endpoint_targets("https://a,https://b:1") == ("dns:///a:2379", "dns:///b:1")


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(BadEtcdUrl) as raised:
        endpoint_targets("http://user:secret@a:1")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "details", "of_commit", "of_call"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses; last error: x",
         StoreUnavailable, StoreUnavailable),
        (Code.UNAVAILABLE, "Socket closed", OutcomeUnknown, StoreUnavailable),
        (Code.UNAVAILABLE, "etcdserver: no leader", StoreUnavailable, StoreUnavailable),
        (Code.UNAVAILABLE, "etcdserver: request timed out", OutcomeUnknown, StoreUnavailable),
        (Code.UNAVAILABLE, "etcdserver: leader changed", OutcomeUnknown, StoreUnavailable),
        (Code.UNAVAILABLE, "etcdserver: server stopped", OutcomeUnknown, StoreUnavailable),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", OutcomeUnknown, StoreUnavailable),
        (Code.UNKNOWN, "Stream removed", OutcomeUnknown, StoreUnavailable),
        (Code.INTERNAL, "RST_STREAM", OutcomeUnknown, StoreUnavailable),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests",
         StoreUnavailable, StoreUnavailable),
        (Code.RESOURCE_EXHAUSTED, "Received ENHANCE_YOUR_CALM", OutcomeUnknown, StoreUnavailable),
        (Code.NOT_FOUND, "etcdserver: requested lease not found", LeaseLost, LeaseLost),
        (Code.INVALID_ARGUMENT, "etcdserver: too many operations in txn request",
         StoreRefused, StoreRefused),
        (Code.PERMISSION_DENIED, "etcdserver: permission denied", StoreRefused, StoreRefused),
        (Code.FAILED_PRECONDITION, "etcdserver: not capable", StoreUnavailable, StoreUnavailable),
    ],
)  # fmt: skip
def test_what_a_failure_means(
    code: grpc.StatusCode, details: str, of_commit: type[StoreError], of_call: type[StoreError]
) -> None:
    assert type(commit_error(code, details)) is of_commit
    assert type(call_error(code, details)) is of_call


@pytest.mark.parametrize(
    ("version", "sound", "exact"),
    [
        ("3.4.24", False, False),
        ("3.4.40", False, True),
        ("3.5.1", False, False),
        ("3.5.27", False, True),
        ("3.5.28", True, True),
        ("3.6.0", False, True),
        ("3.6.9", True, True),
        ("3.7.0-rc.1", True, True),
        ("4.0.0", True, True),
        ("unheard of", True, True),
    ],
)
def test_releases(version: str, sound: bool, exact: bool) -> None:
    assessment = assess(version)
    assert (assessment.warning is None) == sound
    assert assessment.probes_are_exact == exact


@CALM
@given(prefix=st.binary(min_size=1, max_size=4), key=st.binary(max_size=6))
def test_a_prefix_is_the_range_up_to_its_end(prefix: bytes, key: bytes) -> None:
    if not prefix.strip(b"\xff"):
        return
    assert (prefix <= key < end_of_prefix(prefix)) == key.startswith(prefix)
    assert after(prefix) > prefix


def test_the_turn_goes_round_and_a_late_report_changes_nothing() -> None:
    rotation = Rotation(("a", "b", "c"))
    assert rotation.current == "a"
    rotation.failed("a")
    rotation.failed("a")
    assert rotation.current == "b"
    rotation.failed("b")
    rotation.failed("c")
    assert rotation.current == "a"


def header(revision: int, cluster: int = 1) -> rpc_pb2.ResponseHeader:
    return rpc_pb2.ResponseHeader(cluster_id=cluster, revision=revision)


def test_answers_may_overtake_each_other_and_etcd_may_not_go_back() -> None:
    continuity = Continuity()
    early = continuity.floor()
    continuity.check(header(10), continuity.floor())
    # Sent before, answered after: it may show less.
    continuity.check(header(7), early)
    # A member that lags shows less, too.
    continuity.check(header(7))
    with pytest.raises(StoreWentBack, match="older backup"):
        continuity.check(header(9), continuity.floor())
    with pytest.raises(StoreWentBack):
        continuity.floor()


def test_another_cluster_is_noticed() -> None:
    continuity = Continuity()
    continuity.check(header(10))
    with pytest.raises(StoreWentBack, match="another cluster"):
        continuity.check(header(11, cluster=2))
    with pytest.raises(StoreWentBack):
        continuity.check(header(12))


def removal(revision: int) -> kv_pb2.Event:
    return kv_pb2.Event(
        type=kv_pb2.Event.DELETE, kv=kv_pb2.KeyValue(key=b"/k", mod_revision=revision)
    )


def response(
    *revisions: int, fragment: bool = False, at: int = 99, watch_id: int = 0
) -> rpc_pb2.WatchResponse:
    return rpc_pb2.WatchResponse(
        header=header(at),
        watch_id=watch_id,
        fragment=fragment,
        events=[removal(revision) for revision in revisions],
    )


def told(revision: int, *events: int) -> Events:
    return Events(Revision(revision), tuple(Removed("/k", Revision(event)) for event in events))


def reader(*, exact: bool = True) -> WatchReader:
    return WatchReader(Revision(5), probes_are_exact=exact)


def test_a_watch_resumes_after_its_last_event_not_after_the_header() -> None:
    watch = reader()
    assert watch.take(rpc_pb2.WatchResponse(header=header(99), created=True)) is None
    assert watch.take(response(7, 8, at=99)) == told(8, 7, 8)
    assert watch.after == 8


def test_fragments_are_told_as_one() -> None:
    watch = reader()
    assert watch.take(response(7, 7, fragment=True)) is None
    assert watch.take(response(7, 8, fragment=True)) is None
    assert watch.after == 5
    assert watch.take(response(8)) == told(8, 7, 7, 7, 8, 8)


def test_what_was_told_before_is_not_told_again() -> None:
    watch = reader()
    assert watch.take(response(5, 5, at=5)) is None
    assert watch.take(response(5, fragment=True)) is None
    assert watch.take(response(6)) == told(6, 6)


def test_progress_advances_a_watch() -> None:
    watch = reader()
    assert watch.take(response(at=20)) == told(20)
    assert watch.take(response(at=30, watch_id=-1)) == told(30)
    assert watch.take(response(at=25, watch_id=-1)) == told(30)


def test_a_probe_of_an_old_release_is_a_sign_of_life_only() -> None:
    watch = reader(exact=False)
    assert watch.take(response(at=30, watch_id=-1)) == told(5)
    assert watch.take(response(at=20)) == told(20)


def test_what_ends_a_watch() -> None:
    with pytest.raises(Compacted) as raised:
        reader().take(rpc_pb2.WatchResponse(header=header(99), canceled=True, compact_revision=50))
    assert raised.value.revision == 50
    # The next revision is still there: another stream can resume.
    with pytest.raises(StreamEnded):
        reader().take(rpc_pb2.WatchResponse(header=header(99), canceled=True, compact_revision=6))
    with pytest.raises(StreamEnded, match="no leader"):
        reader().take(
            rpc_pb2.WatchResponse(header=header(99), canceled=True, cancel_reason="no leader")
        )


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="call_timeout_seconds"):
        EtcdSettings(call_timeout_seconds=6.0, give_up_seconds=6.0)
    with pytest.raises(ValueError, match="connect_timeout_seconds"):
        EtcdSettings(connect_timeout_seconds=9.0)
    with pytest.raises(ValueError, match="probe_seconds"):
        EtcdSettings(probe_seconds=6.0, silence_seconds=6.0)
