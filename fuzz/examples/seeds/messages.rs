//! Messages of `shoal.v1`.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;

use super::{Seeds, named};

fn key(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Requests as `method, length, message`, by the numbers of the methods.
pub(crate) fn requests() -> Seeds {
    let asked = |method: u8, message: Vec<u8>| {
        [
            &[method, u8::try_from(message.len()).unwrap()][..],
            &message,
        ]
        .concat()
    };
    let version = v1::Version { epoch: 1, seq: 1 };
    let set = v1::SetRequest {
        key: key("k"),
        value: key("value"),
        ttl_ms: 5000,
        ..Default::default()
    };
    let test = v1::condition::Test::IfVersion(version);
    let condition = Some(v1::Condition { test: Some(test) });
    let swap = v1::SetRequest {
        condition,
        ..set.clone()
    };
    let absent = v1::SetRequest {
        key: key("a"),
        absent: true,
        ..Default::default()
    };
    let tagged = v1::SetRequest {
        key: key("t"),
        fresh_ms: 700,
        tags: vec!["t".into(), "other".into()],
        ..set.clone()
    };
    let number = v1::SetRequest {
        key: key("n"),
        value: key("41"),
        ..Default::default()
    };
    let get = v1::GetRequest {
        key: key("k"),
        read: 2,
        at_least: Some(version),
        ..Default::default()
    };
    let incr = v1::IncrRequest {
        key: key("n"),
        delta: Some(1),
        initial: 5,
        ttl_ms: 9,
        ..Default::default()
    };
    let touch = v1::TouchRequest {
        key: key("k"),
        ttl_ms: 100,
        ..Default::default()
    };
    let del = v1::DelRequest {
        keys: vec![key("k"), key("zz")],
        ack: 2,
        routed: true,
    };
    let mget = v1::MGetRequest {
        keys: vec![key("k"), key("a"), key("n")],
        ..Default::default()
    };
    let mset = v1::MSetRequest {
        entries: vec![set.clone(), number.clone()],
        routed: false,
    };
    use v1::operation::Operation as Op;
    let operations = [
        Op::Set(set.clone()),
        Op::Get(get.clone()),
        Op::Incr(incr.clone()),
        Op::Touch(touch.clone()),
        Op::Del(del.clone()),
    ];
    let operations = operations.map(|operation| v1::Operation {
        operation: Some(operation),
    });
    let execute = v1::ExecuteRequest {
        id: 9,
        operations: operations.to_vec(),
        routed: true,
    };
    let tag = v1::InvalidateTagRequest {
        tag: "t".into(),
        ..Default::default()
    };
    named([
        (
            "tagged",
            [
                asked(1, tagged.encode_to_vec()),
                asked(0, b"\x0a\x01t".to_vec()),
                asked(8, tag.encode_to_vec()),
                asked(0, b"\x0a\x01t".to_vec()),
            ]
            .concat(),
        ),
        (
            "set-get",
            [asked(1, set.encode_to_vec()), asked(0, get.encode_to_vec())].concat(),
        ),
        (
            "swap",
            [
                asked(1, set.encode_to_vec()),
                asked(1, swap.encode_to_vec()),
            ]
            .concat(),
        ),
        (
            "absent",
            [
                asked(1, absent.encode_to_vec()),
                asked(0, b"\x0a\x01a".to_vec()),
            ]
            .concat(),
        ),
        (
            "incr",
            [
                asked(1, number.encode_to_vec()),
                asked(3, incr.encode_to_vec()),
            ]
            .concat(),
        ),
        (
            "touch",
            [
                asked(1, set.encode_to_vec()),
                asked(6, touch.encode_to_vec()),
            ]
            .concat(),
        ),
        (
            "del",
            [asked(1, set.encode_to_vec()), asked(2, del.encode_to_vec())].concat(),
        ),
        (
            "many",
            [
                asked(5, mset.encode_to_vec()),
                asked(4, mget.encode_to_vec()),
            ]
            .concat(),
        ),
        ("execute", asked(9, execute.encode_to_vec())),
        ("tag", asked(8, tag.encode_to_vec())),
        (
            "watch",
            [asked(10, b"\x08\x01".to_vec()), asked(11, Vec::new())].concat(),
        ),
        ("many-keys", asked(4, b"\x0a\0".repeat(60))),
        ("cut", asked(1, set.encode_to_vec()[..5].to_vec())),
        ("bad-enum", asked(0, b"\x0a\x01k\x10\x07".to_vec())),
        ("group", asked(0, b"\x0b\x0b\x0c\x0c".to_vec())),
    ])
}

pub(crate) fn responses() -> Seeds {
    let del = v1::DelRequest {
        keys: vec![key("a"), key("b")],
        ack: 1,
        routed: true,
    };
    let get = v1::GetRequest {
        key: key("k"),
        ..Default::default()
    };
    named([
        ("count", [&[0][..], &del.encode_to_vec()].concat()),
        ("routed", [&[1][..], &get.encode_to_vec()].concat()),
        ("bare", b"\x02\0\0\x01\x02\x09\0\0value".to_vec()),
        ("entry", b"\x02\x01\x02\x01\xd0\x10\x10\0\0\x01".to_vec()),
        ("result", b"\x02\x02\x01\xe6\xe6\xe7\x02\0".to_vec()),
        ("subject", [&[3][..], &get.encode_to_vec()].concat()),
    ])
}

pub(crate) fn topologies() -> Seeds {
    let node = |id: &str| v1::Node {
        id: id.into(),
        address: format!("{id}:1"),
        ..Default::default()
    };
    let partition = |id, primary: &str, epoch| v1::Partition {
        id,
        primary: primary.into(),
        epoch,
        ..Default::default()
    };
    let whole = v1::Topology {
        revision: 5,
        complete: true,
        partition_count: 4,
        nodes: vec![node("a"), node("b")],
        partitions: vec![
            partition(0, "a", 3),
            partition(1, "b", 2),
            partition(3, "gone", 9),
        ],
        ..Default::default()
    };
    let change = v1::Topology {
        complete: false,
        ..whole.clone()
    };
    let other = v1::Topology {
        partition_count: 8,
        ..whole.clone()
    };
    let beyond = v1::Topology {
        partitions: vec![partition(4, "a", 1)],
        ..whole.clone()
    };
    let twice = v1::Topology {
        partitions: vec![
            partition(0, "a", 3),
            partition(0, "b", 4),
            partition(0, "c", 5),
        ],
        nodes: vec![node("a"), node("b"), node("b")],
        ..whole.clone()
    };
    named([
        ("whole", whole.encode_to_vec()),
        ("change", change.encode_to_vec()),
        ("other", other.encode_to_vec()),
        ("beyond", beyond.encode_to_vec()),
        ("twice", twice.encode_to_vec()),
        ("cut", whole.encode_to_vec()[..20].to_vec()),
    ])
}
