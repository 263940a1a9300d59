//! Requests that are good HTTP/2 and bad gRPC, and what is too big in them.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;

use crate::attacker::{Attacker, Flood};
use crate::frame::{self, flag, kind};
use crate::hpack;
use crate::log::Said;
use crate::scene::Scene;

const GET: &str = "/shoal.v1.Cache/Get";
const SET: &str = "/shoal.v1.Cache/Set";

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const UNIMPLEMENTED: i32 = 12;

/// A message behind its prefix.
pub(crate) fn message(message: &impl Message) -> Vec<u8> {
    prefixed(0, &message.encode_to_vec())
}

fn prefixed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[compressed][..], &length, message].concat()
}

pub(crate) fn get(key: &'static str) -> Vec<u8> {
    message(&v1::GetRequest {
        key: Bytes::from_static(key.as_bytes()),
        ..Default::default()
    })
}

/// Call with more fields, on a connection of its own; it lives on afterwards.
fn called(scene: &Scene, path: &str, fields: &[u8], body: &[u8]) -> Said {
    let mut attacker = Attacker::new(&scene.server);
    let block = [hpack::request(path), fields.to_vec()].concat();
    let open = frame::frame(kind::HEADERS, flag::END_HEADERS, 1, &block);
    let mut bytes = open;
    for piece in body.chunks(16_000) {
        bytes.extend(frame::frame(kind::DATA, flag::NONE, 1, piece));
    }
    bytes.extend(frame::frame(kind::DATA, flag::END_STREAM, 1, b""));
    assert_eq!(attacker.send(&bytes), Flood::Taken);
    let said = attacker.answer(1);
    attacker.is_served();
    said
}

fn status(scene: &Scene, path: &str, fields: &[u8], body: &[u8]) -> Option<i32> {
    called(scene, path, fields, body).status()
}

#[test]
fn what_is_not_one_message_is_refused() {
    let scene = Scene::new("");
    let whole = get("key");
    let four_gib = [&[0, 0xff, 0xff, 0xff, 0xff][..], b"and a few bytes"].concat();
    let bodies: [(&str, Vec<u8>, i32); 8] = [
        ("nothing", Vec::new(), INVALID_ARGUMENT),
        ("half a prefix", vec![0, 0, 0], INVALID_ARGUMENT),
        ("4 GiB announced", four_gib, INVALID_ARGUMENT),
        (
            "less than announced",
            whole[..whole.len() - 1].to_vec(),
            INVALID_ARGUMENT,
        ),
        ("two messages", whole.repeat(2), INVALID_ARGUMENT),
        ("many tiny messages", [0; 5].repeat(4000), INVALID_ARGUMENT),
        ("compressed", prefixed(1, b"\x1f\x8b"), UNIMPLEMENTED),
        ("no protobuf", prefixed(0, &[0xff; 100]), INVALID_ARGUMENT),
    ];
    for (name, body, expected) in bodies {
        assert_eq!(status(&scene, GET, &[], &body), Some(expected), "{name}");
    }
    assert_eq!(status(&scene, GET, &[], &whole), Some(OK));
    scene.holds();
}

#[test]
fn keys_values_and_batches_that_are_too_big_are_refused() {
    let scene = Scene::new("");
    let refused = |path, body: &[u8]| {
        assert_eq!(
            status(&scene, path, &[], body),
            Some(INVALID_ARGUMENT),
            "{path}"
        );
    };
    let key = Bytes::from(vec![b'k'; 1025]);
    refused(
        GET,
        &message(&v1::GetRequest {
            key: key.clone(),
            ..Default::default()
        }),
    );
    refused(GET, &message(&v1::GetRequest::default()));
    let set = message(&v1::SetRequest {
        key: Bytes::from_static(b"key"),
        value: vec![0; (1 << 20) + 1].into(),
        ..Default::default()
    });
    let mut attacker = Attacker::new(&scene.server);
    attacker.call_in_pieces(1, SET, &set);
    assert_eq!(attacker.answer(1).status(), Some(INVALID_ARGUMENT));
    let keys = vec![Bytes::from_static(b"k"); 10_001];
    let many = v1::MGetRequest {
        keys,
        ..Default::default()
    };
    refused("/shoal.v1.Cache/MGet", &message(&many));
    scene.holds();
}

#[test]
fn fields_that_make_no_sense_harm_nobody() {
    let scene = Scene::new("");
    let whole = get("key");
    // As long as it can be, and beyond what gRPC lets it be.
    for timeout in ["99999999H", "99999999999999999999H", "-1S", "1e9S", ""] {
        let fields = hpack::literal("grpc-timeout", timeout);
        let said = called(&scene, GET, &fields, &whole);
        let is_good = said.status() == Some(OK) || said.is_over();
        assert!(is_good, "{timeout:?}: {said:?}");
    }
    let passed = status(&scene, GET, &hpack::literal("grpc-timeout", "0n"), &whole);
    assert!(matches!(passed, Some(OK | DEADLINE_EXCEEDED)), "{passed:?}");
    let compressed = hpack::literal("grpc-encoding", "gzip");
    assert_eq!(
        status(&scene, GET, &compressed, &whole),
        Some(UNIMPLEMENTED)
    );
    for path in [
        "/",
        "/shoal.v1.Cache/",
        "/shoal.v1.Cache/get",
        "/a/b/c",
        "/shoal.v1.Cache",
    ] {
        assert_eq!(
            status(&scene, path, &[], &whole),
            Some(UNIMPLEMENTED),
            "{path}"
        );
    }
    let long = format!("/{}", "p".repeat(10_000));
    assert_eq!(status(&scene, &long, &[], &whole), Some(UNIMPLEMENTED));
    scene.holds();
}

/// A block with this path and content type; either may be any bytes.
fn block(path: &[u8], content_type: &[u8]) -> Vec<u8> {
    [
        vec![0x83, 0x86],
        hpack::field(0x00, b":path", path),
        hpack::field(0x00, b":authority", b"shoal.test"),
        hpack::field(0x00, b"content-type", content_type),
        hpack::field(0x00, b"te", b"trailers"),
    ]
    .concat()
}

#[test]
fn paths_and_types_that_are_no_text_are_refused() {
    let scene = Scene::new("");
    let grpc = b"application/grpc";
    let cases: [(&str, Vec<u8>); 8] = [
        ("no UTF-8", block(b"/\xff\xfe\xc0", grpc)),
        ("a NUL", block(b"/shoal.v1.Cache/\0Get", grpc)),
        ("a line's end", block(b"/shoal.v1.Cache/Get\r\nx: y", grpc)),
        ("no slash", block(b"shoal.v1.Cache/Get", grpc)),
        ("an empty path", block(b"", grpc)),
        ("a star", block(b"*", grpc)),
        ("another type", block(GET.as_bytes(), b"text/html")),
        (
            "a type that is no text",
            block(GET.as_bytes(), b"\xff\xff\x01"),
        ),
    ];
    for (name, block) in cases {
        let mut attacker = Attacker::new(&scene.server);
        let open = frame::frame(kind::HEADERS, flag::END_HEADERS, 1, &block);
        let body = frame::frame(kind::DATA, flag::END_STREAM, 1, &get("key"));
        attacker.send(&[open, body].concat());
        let log = attacker.until(name, |log| log.said(1).is_over() || log.ended);
        assert_ne!(log.said(1).status(), Some(OK), "{name} was served");
    }
    scene.holds();
}
