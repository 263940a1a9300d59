//! Header bombs: small on the wire, big when unpacked.

use crate::attacker::{Attacker, Flood};
use crate::calls;
use crate::frame::{code, flag, frame, kind, reset};
use crate::hpack;
use crate::scene::Scene;

const GET: &str = "/shoal.v1.Cache/Get";

/// Send a block in frames that are not too large.
fn open(attacker: &mut Attacker, stream: u32, block: &[u8]) -> Flood {
    let mut pieces = block.chunks(16_000).peekable();
    let mut bytes = Vec::new();
    let mut kind = kind::HEADERS;
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() {
            flag::END_HEADERS
        } else {
            flag::NONE
        };
        bytes.extend(frame(kind, last, stream, piece));
        kind = kind::CONTINUATION;
    }
    attacker.send(&bytes)
}

/// The request is not served; its connection may go with it.
fn is_refused(scene: &Scene, name: &str, block: &[u8]) {
    let mut attacker = Attacker::new(&scene.server);
    open(&mut attacker, 1, block);
    attacker.send(&frame(kind::DATA, flag::END_STREAM, 1, &calls::get("key")));
    let log = attacker.until(name, |log| log.said(1).is_over() || log.ended);
    let said = log.said(1);
    assert_ne!(said.status(), Some(0), "{name} was served: {said:?}");
}

#[test]
fn lists_that_are_too_long_are_refused() {
    let scene = Scene::new("");
    let with = |fields: Vec<u8>| [hpack::request(GET), fields].concat();
    let huge = hpack::literal("a", &"v".repeat(200_000));
    is_refused(&scene, "a huge value", &with(huge));
    let name = hpack::literal(&"n".repeat(60_000), "v");
    is_refused(&scene, "a huge name", &with(name));
    let cookies = hpack::literal("cookie", "a=b").repeat(2000);
    is_refused(&scene, "many cookies", &with(cookies));
    // 32 bytes each, as RFC 9113 counts them, though they are one on the wire.
    let cheap = hpack::request(GET);
    is_refused(&scene, "cheap fields", &[cheap, vec![0x90; 8000]].concat());
    scene.holds();
}

#[test]
fn lists_within_the_bound_are_served() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let fields = hpack::literal("a", "v").repeat(200);
    open(&mut attacker, 1, &[hpack::request(GET), fields].concat());
    attacker.send(&frame(kind::DATA, flag::END_STREAM, 1, &calls::get("key")));
    assert_eq!(attacker.answer(1).status(), Some(0));
    scene.holds();
}

#[test]
fn references_to_a_large_entry() {
    // 4 KB are remembered once, then named by one byte: 10 KB become 40 MB.
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let entry = hpack::remembered("a", &"v".repeat(4000));
    open(&mut attacker, 1, &[hpack::request(GET), entry].concat());
    let bomb = [hpack::request(GET), vec![0xbe; 10_000]].concat();
    for stream in (3..2000).step_by(2) {
        if open(&mut attacker, stream, &bomb) == Flood::Ended {
            break;
        }
        attacker.send(&reset(stream));
    }
    scene.others_are_served();
    let log = attacker.until("a refusal", |log| log.over() > 0 || log.ended);
    for said in log.streams.values() {
        assert_ne!(said.status(), Some(0), "a bomb was served");
    }
    scene.holds();
}

#[test]
fn a_table_that_changes_size_all_the_time() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let entries = hpack::remembered("a", &"v".repeat(100)).repeat(30);
    let shrinks = [hpack::table_size(0), hpack::table_size(4096)].concat();
    let flood = attacker.flood(2000, |n| {
        let block = [shrinks.clone(), hpack::request(GET), entries.clone()].concat();
        let open = frame(kind::HEADERS, flag::END_HEADERS, 2 * n + 1, &block);
        let body = frame(kind::DATA, flag::END_STREAM, 2 * n + 1, &calls::get("key"));
        [open, body].concat()
    });
    if flood == Flood::Ended {
        attacker.is_told(&[code::ENHANCE_YOUR_CALM, code::COMPRESSION_ERROR]);
    } else {
        attacker.until("all are answered", |log| log.over() == 2000);
    }
    scene.holds();
}

#[test]
fn thousands_of_changes_of_size_in_one_block() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let shrinks = [hpack::table_size(0), hpack::table_size(4096)].concat();
    let block = [shrinks.repeat(3000), hpack::request(GET)].concat();
    open(&mut attacker, 1, &block);
    attacker.send(&frame(kind::DATA, flag::END_STREAM, 1, &calls::get("key")));
    attacker.until("an answer or the end", |log| {
        log.said(1).is_over() || log.ended
    });
    scene.holds();
}
