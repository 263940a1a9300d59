//! Streams that are opened to be reset: by the client (CVE-2023-44487), or by the
//! server because of what the client sent (CVE-2025-8671).

use crate::attacker::Attacker;
use crate::calls;
use crate::frame::{code, flag, frame, kind, ping, reset, window_update};
use crate::hpack;
use crate::scene::Scene;

const GET: &str = "/shoal.v1.Cache/Get";
const EXECUTE: &str = "/shoal.v1.Cache/Execute";
const STREAMS: u32 = 20_000;

/// In a partition of its own, which a test may freeze.
const KEY: &str = "cold";

fn open(path: &str, flags: u8, stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, &hpack::request(path))
}

fn body(stream: u32) -> Vec<u8> {
    frame(kind::DATA, flag::END_STREAM, stream, &calls::get(KEY))
}

fn called_and_reset(stream: u32) -> Vec<u8> {
    let call = [open(GET, flag::END_HEADERS, stream), body(stream)];
    [call.concat(), reset(stream)].concat()
}

/// So many streams, each with these frames; the connection ends with one of these.
fn is_ended(codes: &[u32], nth: impl Fn(u32) -> Vec<u8>) {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    attacker.flood(STREAMS, |n| nth(2 * n + 1));
    attacker.is_told(codes);
    scene.attackers_are_gone();
    scene.holds();
}

const CALM: &[u32] = &[code::ENHANCE_YOUR_CALM];

#[test]
fn requests_reset_before_their_body() {
    is_ended(CALM, |stream| {
        [open(GET, flag::END_HEADERS, stream), reset(stream)].concat()
    });
}

#[test]
fn streams_reset_as_soon_as_they_are_open() {
    is_ended(CALM, |stream| {
        [open(EXECUTE, flag::END_HEADERS, stream), reset(stream)].concat()
    });
}

#[test]
fn watches_reset_as_soon_as_they_are_open() {
    let path = "/shoal.v1.Cache/WatchTopology";
    let asks_nothing = [0; 5];
    is_ended(CALM, |stream| {
        let asks = frame(kind::DATA, flag::END_STREAM, stream, &asks_nothing);
        [open(path, flag::END_HEADERS, stream), asks, reset(stream)].concat()
    });
}

/// Work that the client no longer wants, as in the attack of 2023.
#[test]
fn requests_reset_while_they_wait() {
    let scene = Scene::new("frozen_wait_ms=60000 default_deadline_ms=60000");
    scene.server.freeze(KEY);
    let mut attacker = Attacker::new(&scene.server);
    attacker.flood(STREAMS, |n| called_and_reset(2 * n + 1));
    attacker.is_calmed();
    scene.attackers_are_gone();
    scene.server.thaw(KEY);
    scene.holds();
}

/// These cost what a request costs, and no more.
#[test]
fn requests_reset_after_they_were_answered() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    attacker.flood(STREAMS, |n| called_and_reset(2 * n + 1));
    attacker.send(&ping(7));
    let log = attacker.until("a ping is answered", |log| log.ended || log.ping_acks > 0);
    if log.ended {
        attacker.is_calmed();
    }
    scene.holds();
}

#[test]
fn the_server_resets_for_an_increment_of_nothing() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    is_ended(&codes, |stream| {
        let update = window_update(stream, 0);
        [open(GET, flag::END_HEADERS, stream), update].concat()
    });
}

#[test]
fn the_server_resets_for_a_window_that_overflows() {
    let codes = [code::ENHANCE_YOUR_CALM, code::FLOW_CONTROL_ERROR];
    is_ended(&codes, |stream| {
        let update = window_update(stream, 0x7fff_ffff);
        [open(GET, flag::END_HEADERS, stream), update].concat()
    });
}

#[test]
fn the_server_resets_for_data_after_the_end() {
    let codes = [code::ENHANCE_YOUR_CALM, code::STREAM_CLOSED];
    is_ended(&codes, |stream| {
        let more = frame(kind::DATA, flag::NONE, stream, b"more");
        [open(EXECUTE, flag::WHOLE, stream), more].concat()
    });
}

#[test]
fn the_server_resets_for_headers_after_the_end() {
    let codes = [
        code::ENHANCE_YOUR_CALM,
        code::STREAM_CLOSED,
        code::PROTOCOL_ERROR,
    ];
    is_ended(&codes, |stream| {
        let more = open(GET, flag::WHOLE, stream);
        [open(EXECUTE, flag::WHOLE, stream), more].concat()
    });
}

#[test]
fn the_server_resets_for_a_priority_of_a_wrong_length() {
    let codes = [code::ENHANCE_YOUR_CALM, code::FRAME_SIZE_ERROR];
    is_ended(&codes, |stream| {
        let priority = frame(kind::PRIORITY, flag::NONE, stream, &[0; 4]);
        [open(GET, flag::END_HEADERS, stream), priority].concat()
    });
}

#[test]
fn the_server_resets_for_fields_that_are_malformed() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    let bad = [hpack::request(GET), hpack::literal("UPPER", "case")].concat();
    is_ended(&codes, |stream| {
        frame(kind::HEADERS, flag::END_HEADERS, stream, &bad)
    });
}

#[test]
fn the_server_resets_for_trailers_that_do_not_end() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    is_ended(&codes, |stream| {
        let more = hpack::literal("a", "b");
        let trailers = frame(kind::HEADERS, flag::END_HEADERS, stream, &more);
        [open(GET, flag::END_HEADERS, stream), trailers].concat()
    });
}
