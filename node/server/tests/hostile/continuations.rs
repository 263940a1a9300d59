//! Header blocks that never end.

use crate::attacker::Attacker;
use crate::frame::{flag, frame, kind};
use crate::hpack;
use crate::scene::Scene;

fn begin(attacker: &mut Attacker) {
    // The acknowledgement of the server's SETTINGS is on its way before, not in between:
    // nothing may interrupt a block.
    attacker.is_served();
    let block = hpack::request("/shoal.v1.Cache/Get");
    attacker.send(&frame(kind::HEADERS, flag::NONE, 1, &block));
}

/// Frames without an end are cut off.
fn is_cut(piece: &[u8]) {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    begin(&mut attacker);
    let next = frame(kind::CONTINUATION, flag::NONE, 1, piece);
    attacker.flood(50_000, |_| next.clone());
    attacker.is_calmed();
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn big_fields() {
    is_cut(&hpack::literal("a", &"v".repeat(10_000)));
}

#[test]
fn small_fields() {
    is_cut(&hpack::literal("a", "v"));
}

#[test]
fn references_to_one_field() {
    is_cut(&[0x83; 64]);
}

#[test]
fn one_value_that_never_ends() {
    // Announces 256 MiB; what follows belongs to it.
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    attacker.is_served();
    let open = [&[0x00, 0x01, b'a', 0x7f][..], &[0xff, 0xff, 0xff, 0x7f]].concat();
    attacker.send(&frame(kind::HEADERS, flag::NONE, 1, &open));
    let next = frame(kind::CONTINUATION, flag::NONE, 1, &[b'v'; 10_000]);
    attacker.flood(20_000, |_| next.clone());
    attacker.is_calmed();
    scene.holds();
}

#[test]
fn empty_frames() {
    is_cut(b"");
}

#[test]
fn a_block_in_a_thousand_pieces() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    begin(&mut attacker);
    let piece = frame(kind::CONTINUATION, flag::NONE, 1, &[]);
    attacker.flood(1000, |_| piece.clone());
    attacker.send(&frame(kind::CONTINUATION, flag::END_HEADERS, 1, &[]));
    // Served or cut off, but not left waiting.
    attacker.send(&frame(kind::DATA, flag::END_STREAM, 1, &[]));
    attacker.until("an answer or the end", |log| {
        log.said(1).is_over() || log.ended
    });
    scene.holds();
}
