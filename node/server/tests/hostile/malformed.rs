//! Frames that RFC 9113 forbids, one by one, and how each is answered.

use crate::attacker::Attacker;
use crate::calls;
use crate::frame::{code, flag, frame, head, kind, setting, settings, window_update};
use crate::hpack;
use crate::log::Log;
use crate::scene::Scene;

use code::{FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED};

pub(crate) const GET: &str = "/shoal.v1.Cache/Get";

/// What the server does about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The connection ends with one of these.
    Connection(&'static [u32]),
    /// The stream, or its connection, ends with one of these.
    Stream(&'static [u32]),
    /// Nothing comes of it.
    Nothing,
}

use Answer::{Connection, Nothing, Stream};

pub(crate) fn case(scene: &Scene, name: &str, bytes: &[u8], answer: Answer) {
    let mut attacker = Attacker::new(&scene.server);
    attacker.send(bytes);
    let reset = |log: &Log| log.streams.values().find_map(|said| said.reset);
    match answer {
        Connection(codes) => {
            let log = attacker.until(name, |log| log.ended);
            let said = log.goaway;
            assert!(
                said.is_some_and(|said| codes.contains(&said)),
                "{name}: {log:?}"
            );
        }
        Stream(codes) => {
            let log = attacker.until(name, |log| log.ended || reset(log).is_some());
            let said = reset(&log).or(log.goaway);
            assert!(
                said.is_some_and(|said| codes.contains(&said)),
                "{name}: {log:?}"
            );
            if !log.ended && log.goaway.is_none() {
                attacker.is_served();
            }
        }
        Nothing => attacker.is_served(),
    }
}

/// A request without a body, which is an error and answered as one.
fn ended() -> Vec<u8> {
    frame(kind::HEADERS, flag::WHOLE, 1, &hpack::request(GET))
}

fn open(stream: u32) -> Vec<u8> {
    let block = hpack::request(GET);
    frame(kind::HEADERS, flag::END_HEADERS, stream, &block)
}

#[test]
fn frames_of_a_connection() {
    let scene = Scene::new("");
    let size: Answer = Connection(&[FRAME_SIZE_ERROR]);
    let protocol: Answer = Connection(&[PROTOCOL_ERROR]);
    let flow: Answer = Connection(&[FLOW_CONTROL_ERROR]);
    let none = flag::NONE;
    for (name, bytes, answer) in [
        (
            "a frame that is too large",
            head(0xff_ffff, kind::DATA, none, 1),
            size,
        ),
        (
            "an unknown frame that is too large",
            head(0xff_ffff, 99, none, 1),
            size,
        ),
        (
            "settings on a stream",
            frame(kind::SETTINGS, none, 1, &[]),
            protocol,
        ),
        (
            "settings of five bytes",
            frame(kind::SETTINGS, none, 0, &[0; 5]),
            size,
        ),
        (
            "an acknowledgement with settings",
            frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
            size,
        ),
        (
            "a window beyond 2^31",
            settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]),
            flow,
        ),
        (
            "frames below 16 KiB",
            settings(&[(setting::MAX_FRAME_SIZE, 100)]),
            protocol,
        ),
        (
            "frames beyond 16 MiB",
            settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]),
            protocol,
        ),
        (
            "a push that is neither on nor off",
            settings(&[(setting::ENABLE_PUSH, 2)]),
            protocol,
        ),
        (
            "a ping of seven bytes",
            frame(kind::PING, none, 0, &[0; 7]),
            size,
        ),
        (
            "a ping on a stream",
            frame(kind::PING, none, 1, &[0; 8]),
            protocol,
        ),
        ("an increment of nothing", window_update(0, 0), protocol),
        (
            "a window that overflows",
            window_update(0, 0x7fff_ffff),
            flow,
        ),
        (
            "an increment of three bytes",
            frame(kind::WINDOW_UPDATE, none, 0, &[0; 3]),
            size,
        ),
        (
            "a farewell on a stream",
            frame(kind::GOAWAY, none, 1, &[0; 8]),
            protocol,
        ),
        (
            "a farewell of four bytes",
            frame(kind::GOAWAY, none, 0, &[0; 4]),
            size,
        ),
        (
            "a promise",
            frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0; 4]),
            protocol,
        ),
        ("an unknown frame", frame(99, 0xff, 7, b"anything"), Nothing),
        ("an unknown setting", settings(&[(0x7777, 7)]), Nothing),
    ] {
        case(&scene, name, &bytes, answer);
    }
    scene.holds();
}

#[test]
fn frames_of_a_stream() {
    let scene = Scene::new("");
    let protocol: Answer = Connection(&[PROTOCOL_ERROR]);
    let closed: Answer = Connection(&[PROTOCOL_ERROR, STREAM_CLOSED]);
    let none = flag::NONE;
    let then = |bytes: Vec<u8>| [open(1), bytes].concat();
    let whole = |bytes: Vec<u8>| [ended(), bytes].concat();
    for (name, bytes, answer) in [
        (
            "data on no stream",
            frame(kind::DATA, none, 0, b"x"),
            protocol,
        ),
        (
            "data on an idle stream",
            frame(kind::DATA, none, 1, b"x"),
            closed,
        ),
        (
            "padding alone, and too much",
            then(frame(kind::DATA, flag::PADDED, 1, &[9; 9])),
            protocol,
        ),
        (
            "padding without its length",
            then(frame(kind::DATA, flag::PADDED, 1, &[])),
            Connection(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
        ),
        (
            "headers on no stream",
            frame(kind::HEADERS, flag::WHOLE, 0, &hpack::request(GET)),
            protocol,
        ),
        (
            "headers on an even stream",
            frame(kind::HEADERS, flag::WHOLE, 2, &hpack::request(GET)),
            protocol,
        ),
        (
            "a stream below the last",
            [open(5), open(3)].concat(),
            closed,
        ),
        (
            "headers padded too much",
            frame(kind::HEADERS, flag::WHOLE | flag::PADDED, 1, &[200; 20]),
            protocol,
        ),
        (
            "headers too short for their priority",
            frame(kind::HEADERS, flag::WHOLE | flag::PRIORITY, 1, &[0; 4]),
            Connection(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
        ),
        (
            "more headers of nothing",
            frame(kind::CONTINUATION, flag::END_HEADERS, 1, &[]),
            protocol,
        ),
        (
            "another frame between headers",
            [frame(kind::HEADERS, none, 1, &[]), open(3)].concat(),
            protocol,
        ),
        (
            "headers that go on on another stream",
            [
                frame(kind::HEADERS, none, 1, &[]),
                frame(kind::CONTINUATION, none, 3, &[]),
            ]
            .concat(),
            protocol,
        ),
        (
            "a reset of no stream",
            frame(kind::RST_STREAM, none, 0, &[0; 4]),
            protocol,
        ),
        (
            "a reset of an idle stream",
            frame(kind::RST_STREAM, none, 1, &[0; 4]),
            protocol,
        ),
        (
            "a reset of three bytes",
            then(frame(kind::RST_STREAM, none, 1, &[0; 3])),
            Connection(&[FRAME_SIZE_ERROR]),
        ),
        ("a window of an idle stream", window_update(1, 1), protocol),
        (
            "a priority of no stream",
            frame(kind::PRIORITY, none, 0, &[0; 5]),
            protocol,
        ),
        (
            "an increment of nothing",
            then(window_update(1, 0)),
            Stream(&[PROTOCOL_ERROR]),
        ),
        (
            "a window that overflows",
            then(window_update(1, 0x7fff_ffff)),
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "data after the end",
            whole(frame(kind::DATA, none, 1, b"x")),
            Stream(&[STREAM_CLOSED]),
        ),
        (
            "a priority of an idle stream",
            frame(kind::PRIORITY, none, 7, &[0; 5]),
            Nothing,
        ),
    ] {
        case(&scene, name, &bytes, answer);
    }
    scene.holds();
}

#[test]
fn data_beyond_the_windows() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    attacker.send(&open(1));
    let piece = frame(kind::DATA, flag::NONE, 1, &[7; 16_000]);
    // 64 MiB in a stream that asks for nothing.
    attacker.flood(4000, |_| piece.clone());
    let log = attacker.until("a refusal", |log| log.ended || log.said(1).is_over());
    let said = log.said(1);
    assert_ne!(said.status(), Some(0), "it was served: {said:?}");
    drop(attacker);
    scene.holds_within(24 << 20);
}

#[test]
fn a_length_that_is_not_the_bodys() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let fields = hpack::literal("content-length", "5");
    let block = [hpack::request(GET), fields].concat();
    let open = frame(kind::HEADERS, flag::END_HEADERS, 1, &block);
    let body = frame(kind::DATA, flag::END_STREAM, 1, &calls::get("key"));
    attacker.send(&[open, body].concat());
    let log = attacker.until("an answer", |log| log.ended || log.said(1).is_over());
    assert!(log.ended || log.said(1).is_over());
    scene.holds();
}

/// The tests rest on these.
#[test]
fn what_is_right_is_served() {
    let scene = Scene::new("");
    case(&scene, "a ping", &crate::frame::ping(1), Nothing);
    let mut attacker = Attacker::new(&scene.server);
    attacker.call(1, GET, &calls::get("key"));
    let said = attacker.answer(1);
    assert_eq!(said.status(), Some(0));
    assert_eq!(said.field(":status"), Some("200"));
    assert_eq!(said.field("content-type"), Some("application/grpc"));

    scene.holds();
}
