//! Frames that cost nothing to send and something to take.
//!
//! Each flood comes twice: from a client that reads, and from one that never does,
//! so that the answers have nowhere to go. The one that reads is told to calm down; the
//! one that does not is closed by then, or by the keepalive.

use crate::attacker::Attacker;
use crate::frame::{self, code, flag, frame, kind, setting, window_update};
use crate::hpack;
use crate::scene::Scene;

const FRAMES: u32 = 40_000;

/// Streams that are open while a flood goes on.
const STREAMS: u32 = 100;

fn open(attacker: &mut Attacker, streams: u32) {
    let block = hpack::request("/shoal.v1.Cache/Get");
    attacker.flood(streams, |n| {
        frame(kind::HEADERS, flag::END_HEADERS, 2 * n + 1, &block)
    });
}

fn is_ended(codes: &[u32], nth: impl Fn(u32) -> Vec<u8>) {
    let scene = Scene::new("keepalive_ms=700");
    let mut deaf = Attacker::deaf(&scene.server, &[]);
    open(&mut deaf, STREAMS);
    deaf.flood(FRAMES, &nth);
    scene.others_are_served();
    scene.attackers_are_gone();
    let mut attacker = Attacker::new(&scene.server);
    open(&mut attacker, STREAMS);
    attacker.flood(FRAMES, &nth);
    attacker.is_told(codes);
    scene.holds();
}

const CALM: &[u32] = &[code::ENHANCE_YOUR_CALM];

#[test]
fn pings() {
    is_ended(CALM, |n| frame::ping(u64::from(n)));
}

#[test]
fn settings() {
    is_ended(CALM, |_| frame::settings(&[]));
}

#[test]
fn settings_that_move_every_window() {
    is_ended(CALM, |n| {
        frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1 + n % 2)])
    });
}

#[test]
fn settings_of_a_hundred_pairs() {
    let pairs: Vec<(u16, u32)> = (0..100).map(|n| (0x4000 + n, 1)).collect();
    is_ended(CALM, |_| frame::settings(&pairs));
}

#[test]
fn acknowledgements_of_nothing() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    is_ended(&codes, |n| {
        let kind = if n % 2 == 0 {
            kind::PING
        } else {
            kind::SETTINGS
        };
        let payload: &[u8] = if n % 2 == 0 { &[0; 8] } else { &[] };
        frame(kind, flag::ACK, 0, payload)
    });
}

#[test]
fn empty_data() {
    is_ended(CALM, |n| {
        frame(kind::DATA, flag::NONE, 2 * (n % STREAMS) + 1, &[])
    });
}

#[test]
fn data_of_padding_alone() {
    // It counts against the windows.
    let codes = [code::ENHANCE_YOUR_CALM, code::FLOW_CONTROL_ERROR];
    let payload = [&[255][..], &[0; 255]].concat();
    is_ended(&codes, |n| {
        frame(kind::DATA, flag::PADDED, 2 * (n % STREAMS) + 1, &payload)
    });
}

#[test]
fn empty_headers() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    is_ended(&codes, |n| {
        frame(kind::HEADERS, flag::WHOLE, 2 * (STREAMS + n) + 1, &[])
    });
}

#[test]
fn requests_beyond_the_streams_allowed() {
    let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR];
    let block = hpack::request("/shoal.v1.Cache/Execute");
    is_ended(&codes, |n| {
        let stream = 2 * (STREAMS + n) + 1;
        frame(kind::HEADERS, flag::END_HEADERS, stream, &block)
    });
}

#[test]
fn priorities() {
    is_ended(CALM, |n| {
        let payload = [&(2 * n + 3).to_be_bytes()[..], &[16]].concat();
        frame(kind::PRIORITY, flag::NONE, 2 * n + 1, &payload)
    });
}

#[test]
fn window_updates() {
    is_ended(CALM, |n| {
        let stream = if n % 2 == 0 { 0 } else { 2 * (n % STREAMS) + 1 };
        window_update(stream, 1)
    });
}

#[test]
fn frames_of_unknown_types() {
    is_ended(CALM, |n| {
        let kind = 16 + n.to_le_bytes()[0] % 200;
        frame(kind, 0xff, n, &[0x5a; 32])
    });
}

#[test]
fn farewells() {
    let codes = [code::ENHANCE_YOUR_CALM, code::NO_ERROR];
    is_ended(&codes, |_| frame(kind::GOAWAY, flag::NONE, 0, &[0; 8]));
}
