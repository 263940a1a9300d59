//! Requests that never end, and hold what they brought.

use std::time::Duration;

use shoal_protos::v1;

use crate::attacker::{Attacker, Flood};
use crate::calls;
use crate::frame::{flag, frame, kind, ping};
use crate::hpack;
use crate::scene::Scene;

const OK: i32 = 0;
const RESOURCE_EXHAUSTED: i32 = 8;

/// In a partition of its own, which a test may freeze.
const KEY: &str = "cold";

/// What one connection may hold of bodies that are not whole.
const BODIES_BYTES: u64 = 48 << 20;

/// How long the server may keep a window closed before the attacker gives up on it.
const PATIENCE: Duration = Duration::from_millis(200);

/// A message of 15 MiB behind its prefix, but for its last byte.
fn almost_a_message() -> Vec<u8> {
    let mut body = vec![7; 5 + (15 << 20) - 1];
    body[..5].copy_from_slice(&[0, 0, 0xf0, 0, 0]);
    body
}

/// So many calls with this body, which never ends, as far as the server takes it.
fn hoard(attacker: &mut Attacker, path: &str, streams: u32, body: &[u8]) {
    let block = hpack::request(path);
    let mut sent_bytes = 0;
    for n in 0..streams {
        let stream = 2 * n + 1;
        attacker.send(&frame(kind::HEADERS, flag::END_HEADERS, stream, &block));
        for piece in body.chunks(16_000) {
            if !attacker.may_send(stream, piece.len(), PATIENCE) {
                break;
            }
            let data = frame(kind::DATA, flag::NONE, stream, piece);
            if attacker.send(&data) != Flood::Taken {
                break;
            }
            sent_bytes += piece.len();
        }
    }
    println!("the server took {sent_bytes} bytes");
}

fn is_bounded(path: &str, streams: u32, body: &[u8]) {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    hoard(&mut attacker, path, streams, body);
    scene.others_are_served();
    drop(attacker);
    scene.attackers_are_gone();
    scene.holds_within(BODIES_BYTES);
}

#[test]
fn messages_that_lack_their_last_byte() {
    is_bounded("/shoal.v1.Cache/MSet", 12, &almost_a_message());
}

#[test]
fn batches_that_lack_their_last_byte() {
    is_bounded("/shoal.v1.Cache/Execute", 12, &almost_a_message());
}

#[test]
fn calls_of_the_standard_services_that_never_end() {
    // The longest message that tonic takes where it is told nothing: 4 MiB.
    let mut body = vec![7; 5 + (4 << 20) - 1];
    body[..5].copy_from_slice(&[0, 0, 0x40, 0, 0]);
    is_bounded("/grpc.health.v1.Health/Check", 30, &body);
    is_bounded(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        30,
        &body,
    );
}

/// Who holds little has room, whatever the others hold.
#[test]
fn a_large_write_among_hoarders() {
    let scene = Scene::new("held_bytes_max=50000000");
    let mut attackers: Vec<Attacker> = (0..3).map(|_| Attacker::new(&scene.server)).collect();
    for attacker in &mut attackers {
        hoard(attacker, "/shoal.v1.Cache/MSet", 2, &almost_a_message());
    }
    let mut other = Attacker::new(&scene.server);
    let set = calls::message(&v1::SetRequest {
        key: KEY.into(),
        value: vec![7; 1_000_000].into(),
        ..Default::default()
    });
    other.call_in_pieces(1, "/shoal.v1.Cache/Set", &set);
    assert_eq!(other.answer(1).status(), Some(OK));
    scene.others_are_served();
    drop(attackers);
    scene.holds_within(2 * 50_000_000);
}

/// A message in a thousand frames of one byte costs little more than its bytes.
#[test]
fn bodies_of_single_bytes() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let paths = ["/shoal.v1.Cache/MSet", "/grpc.health.v1.Health/Check"];
    for n in 0..200 {
        let block = hpack::request(paths[n as usize % 2]);
        attacker.send(&frame(kind::HEADERS, flag::END_HEADERS, 2 * n + 1, &block));
        attacker.send(&frame(
            kind::DATA,
            flag::NONE,
            2 * n + 1,
            &[0, 0, 0, 0xff, 0],
        ));
    }
    attacker.flood(200_000, |n| {
        frame(kind::DATA, flag::NONE, 2 * (n % 200) + 1, &[7])
    });
    scene.others_are_served();
    drop(attacker);
    scene.holds();
}

/// Large writes to a partition that does not answer now.
#[test]
fn writes_that_wait() {
    let scene = Scene::new("frozen_wait_ms=120000 default_deadline_ms=120000");
    scene.server.freeze(KEY);
    let mut attackers: Vec<Attacker> = (0..2).map(|_| Attacker::new(&scene.server)).collect();
    let set = calls::message(&v1::SetRequest {
        key: KEY.into(),
        value: vec![7; 1_000_000].into(),
        ..Default::default()
    });
    for attacker in &mut attackers {
        for n in 0..150 {
            attacker.call_in_pieces(2 * n + 1, "/shoal.v1.Cache/Set", &set);
        }
        attacker.send(&ping(7));
        attacker.until("a ping is answered", |log| log.ping_acks > 0);
        let said = attacker.look(|log| log.streams.values().find_map(|said| said.status()));
        assert_eq!(
            said,
            Some(RESOURCE_EXHAUSTED),
            "what is too much is refused"
        );
    }
    scene.others_are_served();
    drop(attackers);
    scene.attackers_are_gone();
    scene.server.thaw(KEY);
    // Twice what is counted: pieces are put together as they come.
    scene.holds_within(3 * BODIES_BYTES);
}
