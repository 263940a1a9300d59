"""What stands in etcd, byte for byte, and what is made of bytes that should not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal_coordinator.registry import codec
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    CoordinatorLeader,
    Copy,
    CopyId,
    Epoch,
    Eviction,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
    RebalanceMode,
    RebalancePolicy,
    Unclean,
)

# A busy machine is no failure.
CALM = settings(suppress_health_check=[HealthCheck.too_slow])

CONFIG = ClusterConfig(256, 1, 3, 3, "5f0c")
REGISTRATION = NodeRegistration(
    NodeId("n1"), "10.0.0.1:7000", "zürich", 100, Incarnation("i1"), "0.1.0", "http://10.0.0.1:9/m"
)
PROXY = NodeRegistration(NodeId("p"), "h:1", "", 0, Incarnation("i2"), "0.1.0", "")
MEMBER = Member(NodeId("n1"), MemberState.ACTIVE, 100, "a")
PLANNED = PartitionRecord(
    PartitionId(0), UNTAKEN, None, None, (NodeId("n2"),), (), (NodeId("n1"), NodeId("n2"))
)
HELD = PartitionRecord(
    partition=PartitionId(7),
    epoch=Epoch(3),
    primary=Copy(NodeId("n1"), CopyId("c9")),
    primary_incarnation=Incarnation("i1"),
    replicas=(NodeId("n2"),),
    in_sync=(Copy(NodeId("n1"), CopyId("c9")),),
    preference=(NodeId("n1"), NodeId("n2")),
    handoff_to=NodeId("n2"),
)
LEADER = CoordinatorLeader("c1", "10.0.0.9:7100")

GOLDEN = [
    (
        codec.encode_config(CONFIG),
        '{"partition_count":256,"replica_count":1,"lease_ttl_seconds":3,'
        '"bootstrap_nodes":3,"cluster_id":"5f0c","eviction":"EVICTION_POLICY_S3FIFO",'
        '"min_in_sync":1,"unclean":"UNCLEAN_POLICY_CLEAR","protocol":1}',
    ),
    (
        codec.encode_registration(REGISTRATION),
        '{"id":"n1","address":"10.0.0.1:7000","zone":"zürich","weight":100,'
        '"incarnation":"i1","version":"0.1.0","metrics_url":"http://10.0.0.1:9/m"}',
    ),
    (
        codec.encode_registration(PROXY),
        '{"id":"p","address":"h:1","incarnation":"i2","version":"0.1.0"}',
    ),
    (
        codec.encode_member(MEMBER),
        '{"id":"n1","state":"MEMBER_STATE_ACTIVE","weight":100,"zone":"a"}',
    ),
    (codec.encode_partition(PLANNED), '{"replicas":["n2"],"preference":["n1","n2"]}'),
    (
        codec.encode_partition(HELD),
        '{"partition":7,"epoch":"3","primary":{"node":"n1","copy_id":"c9"},'
        '"primary_incarnation":"i1","replicas":["n2"],'
        '"in_sync":[{"node":"n1","copy_id":"c9"}],"preference":["n1","n2"],"handoff_to":"n2"}',
    ),
    (codec.encode_leader(LEADER), '{"id":"c1","address":"10.0.0.9:7100"}'),
]


@pytest.mark.parametrize(("encoded", "shown"), GOLDEN)
def test_what_etcdctl_shows(encoded: bytes, shown: str) -> None:
    assert encoded.decode() == shown


def test_each_record_comes_back() -> None:
    assert codec.decode_config("k", codec.encode_config(CONFIG)) == CONFIG
    for registration in (REGISTRATION, PROXY):
        encoded = codec.encode_registration(registration)
        assert codec.decode_registration("k", encoded) == registration
    for record in (PLANNED, HELD):
        assert codec.decode_partition("k", codec.encode_partition(record)) == record
    assert codec.decode_leader("k", codec.encode_leader(LEADER)) == LEADER


@pytest.mark.parametrize("state", list(MemberState))
def test_each_state_comes_back(state: MemberState) -> None:
    member = Member(NodeId("n1"), state, 0, "")
    assert codec.decode_member("k", codec.encode_member(member)) == member


@pytest.mark.parametrize("eviction", list(Eviction))
def test_each_policy_comes_back(eviction: Eviction) -> None:
    config = ClusterConfig(256, 1, 3, 3, "5f0c", eviction)
    assert codec.decode_config("k", codec.encode_config(config)) == config


@pytest.mark.parametrize("unclean", Unclean)
def test_every_choice_about_copies_in_sync_is_kept(unclean: Unclean) -> None:
    config = ClusterConfig(256, 1, 3, 3, "5f0c", min_in_sync=2, unclean=unclean)
    assert codec.decode_config("k", codec.encode_config(config)) == config


def test_the_rate_of_snapshots_is_kept() -> None:
    config = ClusterConfig(256, 1, 3, 3, "5f0c", snapshot_bytes_per_second=1 << 40)
    encoded = codec.encode_config(config)
    assert b'"snapshot_bytes_per_second":"1099511627776"' in encoded
    assert codec.decode_config("k", encoded) == config


def test_an_unknown_choice_is_not_taken_for_another() -> None:
    with pytest.raises(codec.RecordCorrupt, match="unclean is none of those known"):
        codec.decode_config("k", b'{"partition_count":256,"unclean":99}')


@pytest.mark.parametrize("mode", list(RebalanceMode))
def test_how_partitions_move_is_kept(mode: RebalanceMode) -> None:
    policy = RebalancePolicy(mode, 1, 2, 3, 4, 1439, 1440, 5, abort_on_lost_node=True)
    config = ClusterConfig(256, 1, 3, 3, "5f0c", rebalance=policy)
    assert codec.decode_config("k", codec.encode_config(config)) == config


@pytest.mark.parametrize(
    "value", ['{"mode":99}', '{"window_from_minute":1440}', '{"window_minutes":1441}']
)
def test_a_policy_of_moves_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(codec.RecordCorrupt, match="rebalance"):
        codec.decode_config("k", f'{{"partition_count":256,"rebalance":{value}}}'.encode())


def test_a_limit_of_0_is_the_usual_one() -> None:
    config = codec.decode_config("k", b'{"partition_count":256,"rebalance":{"moves_max":2}}')
    assert config.rebalance == RebalancePolicy(moves_max=2)


def test_a_configuration_from_before_there_was_a_choice_is_s3fifo() -> None:
    value = b'{"partition_count":256,"cluster_id":"x"}'
    assert codec.decode_config("k", value).eviction is Eviction.S3FIFO


def test_a_policy_of_a_newer_release_is_not_taken_for_another() -> None:
    with pytest.raises(codec.RecordCorrupt, match="eviction"):
        codec.decode_config("k", b'{"partition_count":256,"eviction":99}')


def test_fields_of_a_newer_release_are_ignored() -> None:
    newer = b'{"id":"c1","address":"a:1","tls":{"x":[1]},"priority":9}'
    assert codec.decode_leader("k", newer) == CoordinatorLeader("c1", "a:1")


def test_the_canonical_spelling_of_protobuf_json_is_read_too() -> None:
    value = b'{"partitionCount":256,"clusterId":"x"}'
    assert codec.decode_config("k", value) == ClusterConfig(256, 0, 0, 0, "x")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"epoch":"-1"}',
        b'{"epoch":"three"}',
        b'{"preference":"n1"}',
        b'{"epoch":"1"}',
        b'{"primary":{"node":"n1","copy_id":"c"}}',
        b'{"epoch":"1","primary":{"node":"n1","copy_id":"c"},"primary_incarnation":"i"}',
        b'{"epoch":"1","primary":{"node":"n1","copy_id":"c"},"in_sync":'
        b'[{"node":"n1","copy_id":"c"}]}',
    ],
)
def test_a_value_that_is_no_record_names_its_key(value: bytes) -> None:
    with pytest.raises(codec.RecordCorrupt, match="/shoal/x/partitions/00001") as raised:
        codec.decode_partition("/shoal/x/partitions/00001", value)
    assert raised.value.key == "/shoal/x/partitions/00001"


def test_a_state_of_a_newer_release_is_not_taken_for_another() -> None:
    with pytest.raises(codec.RecordCorrupt):
        codec.decode_member("k", b'{"id":"n1","state":"MEMBER_STATE_QUARANTINED"}')
    with pytest.raises(codec.RecordCorrupt):
        codec.decode_member("k", b'{"id":"n1","state":99}')


@CALM
@given(value=st.binary(max_size=60))
def test_any_bytes_are_a_record_or_corrupt(value: bytes) -> None:
    for decode in (
        codec.decode_config,
        codec.decode_leader,
        codec.decode_member,
        codec.decode_partition,
        codec.decode_registration,
    ):
        try:
            decode("k", value)
        except codec.RecordCorrupt as error:
            assert error.key == "k"  # noqa: PT017


copies = st.builds(Copy, st.text(min_size=1).map(NodeId), st.text(min_size=1).map(CopyId))
nodes = st.lists(st.text(min_size=1).map(NodeId), max_size=4).map(tuple)


@st.composite
def records(draw: st.DrawFn) -> PartitionRecord:
    primary = draw(st.none() | copies)
    others = draw(st.lists(copies, max_size=3))
    return PartitionRecord(
        partition=PartitionId(draw(st.integers(0, 16383))),
        epoch=UNTAKEN if primary is None else Epoch(draw(st.integers(1, 2**64 - 1))),
        primary=primary,
        primary_incarnation=None if primary is None else Incarnation(draw(st.text(min_size=1))),
        replicas=draw(nodes),
        in_sync=tuple(others if primary is None else [primary, *others]),
        preference=draw(nodes),
        handoff_to=draw(st.none() | st.text(min_size=1).map(NodeId)),
    )


@CALM
@given(record=records())
def test_a_partition_record_is_written_as_protobuf_would(record: PartitionRecord) -> None:
    assert codec.encode_partition(record) == codec.to_bytes(codec.partition_to_pb(record))


@CALM
@given(record=records())
def test_any_partition_record_comes_back(record: PartitionRecord) -> None:
    encoded = codec.encode_partition(record)
    assert codec.decode_partition("k", encoded) == record
    assert codec.encode_partition(codec.decode_partition("k", encoded)) == encoded
    assert b"\n" not in encoded
